"""Height and width, in this order everywhere in edgekit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image


class Size(NamedTuple):
    """Height and width in pixels, in this order, as in (N, H, W, C)."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


class Frame(NamedTuple):
    """The whole image behind the decoded pixels.

    size: before any reduction. box: where it lies among the pixels (left, top, right, bottom). Of 4001 columns at an
    eighth there are 501, and only an eighth of the last one is the image's: without that, all others are shifted.
    """

    size: Size
    box: tuple[float, float, float, float]


def size_of(image: Image) -> Size:
    """The size of a PIL image, which states width and height."""
    return Size(image.height, image.width)
