"""EXIF's orientation: what makes an image upright, and where the edges of its file lie then."""

from __future__ import annotations

from typing import NamedTuple

from PIL import Image

from edgekit.image.size import Frame, Size

_EXIF_ORIENTATION = 0x0112


class Turn(NamedTuple):
    """What makes an image upright, and which edges those become that were its right and its lower one."""

    transpose: Image.Transpose | None
    right: str
    bottom: str

    @property
    def aside(self) -> bool:
        """Whether it exchanges height and width."""
        return self.right in ("top", "bottom")

    def upright(self, image: Image.Image) -> Image.Image:
        """The image, turned; itself where it is upright already."""
        return image if self.transpose is None else image.transpose(self.transpose)

    def size(self, size: Size) -> Size:
        """The size of an image that has `size` in its file, when it is upright; its own inverse."""
        return Size(size.width, size.height) if self.aside else size


_UPRIGHT = Turn(None, "right", "bottom")
# By EXIF's orientation.
_TURNS = {
    2: Turn(Image.Transpose.FLIP_LEFT_RIGHT, "left", "bottom"),
    3: Turn(Image.Transpose.ROTATE_180, "left", "top"),
    4: Turn(Image.Transpose.FLIP_TOP_BOTTOM, "right", "top"),
    5: Turn(Image.Transpose.TRANSPOSE, "bottom", "right"),
    6: Turn(Image.Transpose.ROTATE_270, "bottom", "left"),
    7: Turn(Image.Transpose.TRANSVERSE, "top", "left"),
    8: Turn(Image.Transpose.ROTATE_90, "top", "right"),
}


def turn_of(image: Image.Image) -> Turn:
    """What EXIF says; no turn where it says nothing that can be read."""
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # a broken EXIF block says nothing about the orientation; the pixels are sound
        return _UPRIGHT
    return _TURNS.get(orientation, _UPRIGHT) if isinstance(orientation, int) else _UPRIGHT


def upright_frame(size: Size, scale: int, decoded: Size, turn: Turn) -> Frame:
    """Of an image of that size in its file, decoded at one part in `scale` to so many pixels, when it is upright."""
    beyond = dict.fromkeys(("left", "top", "right", "bottom"), 0.0)
    beyond[turn.right] = decoded.width - size.width / scale
    beyond[turn.bottom] = decoded.height - size.height / scale
    size, decoded = turn.size(size), turn.size(decoded)
    right, bottom = decoded.width - beyond["right"], decoded.height - beyond["bottom"]
    return Frame(size, (beyond["left"], beyond["top"], right, bottom))
