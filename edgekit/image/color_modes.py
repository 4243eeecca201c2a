"""Conversion of Pillow's modes to 8-bit RGB or gray: transparency composited on white, 16-bit values scaled."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

Color: TypeAlias = Literal["RGB", "L"]
_MAX_8_BIT, _MAX_16_BIT = 255, 65535
_STRIP_ROWS = 64
# Below this share of the 16-bit range an image is probably of a sensor with 12 bits or fewer: black after scaling.
_SMALL_SHARE = 1 / 8


def to_color(image: Image.Image, color: Color) -> Image.Image:
    """Convert an image to 8-bit RGB or gray.

    Args:
        image: decoded, in any of Pillow's modes.
        color: target mode, "RGB" or "L" (gray).

    Returns:
        The image itself if it already has that mode (converting would cost 28 ms at 12 megapixels), else a new one.

    Raises:
        ValueError: the pixel values have no known range, or Pillow has no such conversion.
        Exception: whatever else Pillow raises for a broken palette.
    """
    if image.mode == color and not image.has_transparency_data:
        return image
    if image.mode == "F":
        raise ValueError("32-bit floats have no known range; convert the image to 8 bits first")
    if image.mode.startswith("I"):
        image = _from_16_bit(image)
    if image.has_transparency_data:
        image = _on_white(image)
    return image if image.mode == color else image.convert(color)


def small_maximum(image: Image.Image) -> int | None:
    """Return the largest value of a 16-bit image if it uses only a small part of its range, else None."""
    if not image.mode.startswith("I"):
        return None
    maximum = int(np.asarray(image).max())
    is_small = 0 < maximum < _MAX_16_BIT * _SMALL_SHARE
    return maximum if is_small and not _seems_8_bit(image, maximum) else None


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "LA":  # stays gray, which takes half the memory
        gray = Image.new("L", image.size, "white")
        gray.paste(image.getchannel("L"), mask=image.getchannel("A"))
        return gray
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    canvas = Image.new("RGB", rgba.size, "white")
    canvas.paste(rgba, mask=rgba)
    return canvas


def _seems_8_bit(image: Image.Image, maximum: int) -> bool:
    """Whether 32-bit values are probably 8-bit ones, and not 16-bit ones, which Pillow reads from PPM in 32 bits."""
    return image.mode == "I" and image.format != "PPM" and 0 < maximum <= _MAX_8_BIT


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit gray to 8 bits (65535 becomes 255). Pillow's own conversion clips at 255, which returns white."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > _MAX_16_BIT or _seems_8_bit(image, values.max()):
        raise ValueError(
            f"32-bit integers from {values.min()} to {values.max()} have no known range; "
            "convert the image to 8 bits first"
        )
    scaled = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), _STRIP_ROWS):  # in strips: widening the whole image would take 4 times its memory
        strip = values[top : top + _STRIP_ROWS].astype(np.uint32)
        scaled[top : top + _STRIP_ROWS] = (strip + 128) // 257  # rounds; 257 is odd, so there are no ties
    return Image.fromarray(scaled)
