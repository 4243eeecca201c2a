"""Images in the report: small and re-encoded as data URIs, so that nothing of an untrusted file gets through."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from edgekit.dataset import ImageSet
from edgekit.image.load import load_image
from edgekit.preprocess.spec import Preprocess
from edgekit.report.html import Markup, element, void_element
from edgekit.runtime.activation_maps import ClassMaps

_SIDE = 184
_TINY = 96  # pixels; images up to this size stay lossless, because the page enlarges them
_QUALITY = 72
_HEAT = np.array((255, 72, 0), np.float32)
_HEAT_OPACITY = 0.72


def thumbnail(images: ImageSet, number: int) -> Markup:
    """An img element of one image, at most 184 pixels wide and high."""
    image = load_image(images.sources[number]).pixels
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return _img(image, images.names[number])


def heat_maps(
    images: ImageSet, number: int, *, maps: ClassMaps, classes: Sequence[int], preprocess: Preprocess
) -> list[Markup]:
    """For each class, an img element of the network's input with the class activation map in red.

    Args:
        images: the image set.
        number: index of the image.
        maps: computes the maps.
        classes: class indexes.
        preprocess: how the image becomes the network's input.
    """
    pixels = preprocess.pixels(load_image(images.sources[number], color=preprocess.color))[0]
    model_input = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    return [
        _img(_overlay_heat(model_input, heat), f"class activation map of {images.names[number]}")
        for heat in maps.of(pixels, list(classes))
    ]


def _overlay_heat(image: Image.Image, heat: npt.NDArray[np.float32]) -> Image.Image:
    """The image in grayscale under the map, whose range is stretched to the full range of opacity."""
    spread = float(heat.max() - heat.min())
    shares = (heat - heat.min()) / spread if spread > 0 else np.zeros_like(heat)
    resized = Image.fromarray(shares).resize(image.size, Image.Resampling.BICUBIC)
    opacity = np.clip(np.asarray(resized), 0, 1)[:, :, None] ** 2 * _HEAT_OPACITY
    gray = np.asarray(image.convert("L").convert("RGB"), np.float32)
    blended = Image.fromarray((gray * (1 - opacity) + _HEAT * opacity).astype(np.uint8))
    blended.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    return blended


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
