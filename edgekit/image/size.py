"""Height and width, in this order everywhere in edgekit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image


class Size(NamedTuple):
    """Height and width in pixels, in the order of array shapes (N, H, W, C). Pillow uses the opposite order.

    Attributes:
        height: number of rows.
        width: number of columns.

    Example:
        >>> from edgekit import Size
        >>> str(Size(height=480, width=640))
        '480x640'
    """

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


class Frame(NamedTuple):
    """Where the full image lies relative to the pixels that were decoded of it.

    A reduced JPEG is not an exact fraction of the full one: 4001 columns at 1/8 decode to 501, the last of which is
    covered by the image only to an eighth. Ignoring that would shift all other columns.

    Attributes:
        size: size of the full image, before any reduction.
        box: left, top, right and bottom edge of the full image, in decoded pixels.
    """

    size: Size
    box: tuple[float, float, float, float]


def size_of(image: Image) -> Size:
    """Return the size of a PIL image, whose own `size` is (width, height)."""
    return Size(image.height, image.width)
