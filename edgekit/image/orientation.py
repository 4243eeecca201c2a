"""EXIF orientation: how to turn an image upright, and where the edges of the stored image end up."""

from __future__ import annotations

from typing import NamedTuple

from PIL import Image

from edgekit.image.size import Frame, Size

_ORIENTATION_TAG = 0x0112


class Orientation(NamedTuple):
    """One of the eight EXIF orientations (CIPA DC-008, table 6).

    Attributes:
        transpose: the operation that turns the stored image upright; None if it already is.
        right: the edge of the upright image that the right edge of the stored one becomes.
        bottom: likewise for the bottom edge.
    """

    transpose: Image.Transpose | None
    right: str
    bottom: str

    def upright(self, image: Image.Image) -> Image.Image:
        """Turn a stored image upright."""
        return image if self.transpose is None else image.transpose(self.transpose)

    def upright_size(self, size: Size) -> Size:
        """Convert a stored size to the upright one, or back: the conversion is its own inverse."""
        swaps_axes = self.right in ("top", "bottom")
        return Size(size.width, size.height) if swaps_axes else size


_UPRIGHT = Orientation(None, "right", "bottom")
# By the value of the EXIF tag; 1 is upright.
_ORIENTATIONS = {
    2: Orientation(Image.Transpose.FLIP_LEFT_RIGHT, "left", "bottom"),
    3: Orientation(Image.Transpose.ROTATE_180, "left", "top"),
    4: Orientation(Image.Transpose.FLIP_TOP_BOTTOM, "right", "top"),
    5: Orientation(Image.Transpose.TRANSPOSE, "bottom", "right"),
    6: Orientation(Image.Transpose.ROTATE_270, "bottom", "left"),
    7: Orientation(Image.Transpose.TRANSVERSE, "top", "left"),
    8: Orientation(Image.Transpose.ROTATE_90, "top", "right"),
}


def orientation_of(image: Image.Image) -> Orientation:
    """Read the EXIF orientation of an image; upright if it has none, or none that is valid."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # a broken EXIF block leaves the orientation unknown, but the pixels are intact
        return _UPRIGHT
    return _ORIENTATIONS.get(value, _UPRIGHT) if isinstance(value, int) else _UPRIGHT


def upright_frame(size: Size, scale: int, decoded: Size, orientation: Orientation) -> Frame:
    """Locate the full image among the decoded pixels after they have been turned upright.

    Args:
        size: of the full image as stored.
        scale: divisor of the reduced scale, e.g. 8.
        decoded: size of the decoded pixels as stored.
        orientation: how the stored image is turned upright.
    """
    excess = dict.fromkeys(("left", "top", "right", "bottom"), 0.0)  # decoded pixels beyond each edge of the image
    excess[orientation.right] = decoded.width - size.width / scale
    excess[orientation.bottom] = decoded.height - size.height / scale
    size, decoded = orientation.upright_size(size), orientation.upright_size(decoded)
    right, bottom = decoded.width - excess["right"], decoded.height - excess["bottom"]
    return Frame(size, (excess["left"], excess["top"], right, bottom))
