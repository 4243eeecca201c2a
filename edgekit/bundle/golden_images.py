"""The JPEGs of golden vectors: drawn here, or the user's images encoded again.

A port must agree with Pillow on every one of them, so the drawn ones differ in what ports get wrong: odd sizes,
portraits, an image smaller than the crop, gray, an EXIF orientation, an extreme proportion. Pillow encodes them with
libjpeg-turbo at fixed settings, so the same input gives the same bytes.
"""

from __future__ import annotations

import io
from typing import NamedTuple

from PIL import Image

from edgekit.dataset import ImageSet
from edgekit.image.load import load_image
from edgekit.image.size import Size
from edgekit.image.source import ImageSource
from edgekit.image.synthetic import draw_scene

_QUALITY = 90
_MAX_EDGE = 1024  # of the user's images: what a camera takes would make a bundle of eight vectors 30 MB larger
_ORIENTATION_TAG = 0x0112


class GoldenImage(NamedTuple):
    """An image of a golden vector.

    Attributes:
        name: what it shows, or the name of the user's image.
        jpeg: content of the JPEG file.
    """

    name: str
    jpeg: bytes


class _Drawing(NamedTuple):
    """What distinguishes a drawn image: its size, relative to the short edge of the crop, and how it is stored."""

    name: str
    height: float
    width: float
    gray: bool = False
    orientation: int = 1


# The most telling first, because a user may ask for two. Pillow turns orientation 6 by a quarter, clockwise.
_DRAWINGS = (
    _Drawing("landscape", 1.25, 1.75),
    _Drawing("portrait, turned by EXIF", 1.3, 1.9, orientation=6),
    _Drawing("smaller than the crop", 0.6, 0.7),
    _Drawing("gray", 1.6, 1.2, gray=True),
    _Drawing("portrait", 2.1, 1.3),
    _Drawing("as large as the crop", 1.0, 1.0),
    _Drawing("wide", 1.1, 2.7),
    _Drawing("mirrored by EXIF", 1.4, 1.4, orientation=2),
)


def golden_images(images: ImageSet | None, *, count: int, crop: Size) -> list[GoldenImage]:
    """Make the JPEGs of golden vectors.

    Args:
        images: images to choose from, always the same ones; None for drawn ones.
        count: number of JPEGs; fewer are made if there are fewer images.
        crop: size of the model's input, which decides the sizes of drawn images.

    Raises:
        ImageError: an image cannot be read.
    """
    if images is None:
        return [_drawn(number, min(crop)) for number in range(count)]
    sample = images.sample(count, seed=0)
    return [_encoded_again(_text(name), source) for name, source in zip(sample.names, sample.sources, strict=True)]


def _drawn(number: int, edge: int) -> GoldenImage:
    drawing = _DRAWINGS[number % len(_DRAWINGS)]
    # Every second round is one pixel larger, so that a size is odd once and even once.
    odd = number // len(_DRAWINGS) % 2
    height, width = (max(1, round(edge * side)) + odd for side in (drawing.height, drawing.width))
    image = draw_scene(number, Size(height, width))
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = drawing.orientation
    data = _jpeg(image.convert("L") if drawing.gray else image, b"" if drawing.orientation == 1 else exif.tobytes())
    return GoldenImage(f"drawing {number}: {drawing.name}", data)


def _text(name: str) -> str:
    """The name as a JSON document can contain it: bytes of file names that are not UTF-8 become escape sequences."""
    return name.encode(errors="backslashreplace").decode()


def _encoded_again(name: str, source: ImageSource) -> GoldenImage:
    image = load_image(source).pixels.copy()  # a PIL image may be the caller's own
    image.thumbnail((_MAX_EDGE, _MAX_EDGE))
    return GoldenImage(name, _jpeg(image))


def _jpeg(image: Image.Image, exif: bytes = b"") -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY, subsampling="4:2:0", exif=exif)
    return file.getvalue()
