"""Images in the report: small and re-encoded as data URIs, so that nothing of an untrusted file gets through."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from edgekit.dataset import ImageSet
from edgekit.image.load import load_image
from edgekit.report.heat_maps import heat_maps
from edgekit.report.html import Markup, element, void_element
from edgekit.runtime.classifier import Classifier

_SIDE = 184
_TINY = 96  # pixels; images up to this size stay lossless, because the page enlarges them
_QUALITY = 72


def thumbnail(images: ImageSet, number: int) -> Markup:
    """An img element of one image, at most 184 pixels wide and high."""
    image = load_image(images.sources[number]).pixels
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return _img(image, images.names[number])


def heat_map_thumbnails(classifier: Classifier, images: ImageSet, number: int, classes: Sequence[int]) -> list[Markup]:
    """For each class, an img element with its heat map.

    Args:
        classifier: a model that has maps.
        images: the image set.
        number: index of the image.
        classes: class indexes.
    """
    drawn = heat_maps(classifier, images.sources[number], classes)
    for image in drawn:
        image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    return [_img(image, f"class activation map of {images.names[number]}") for image in drawn]


def _img(image: Image.Image, name: str) -> Markup:
    tiny = max(image.size) <= _TINY
    data = BytesIO()
    if tiny:
        image.save(data, "PNG", optimize=True)
    else:
        image.save(data, "JPEG", quality=_QUALITY, optimize=True)
    kind = "png" if tiny else "jpeg"
    source = f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
    attributes = {"src": source, "alt": name, "width": image.width, "height": image.height}
    return element("span", {"class": "image tiny" if tiny else "image"}, void_element("img", attributes))
