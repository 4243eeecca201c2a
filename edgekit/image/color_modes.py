"""Pixels of any of Pillow's modes as 8-bit RGB or gray: transparency on white, 16 bits scaled."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

Color: TypeAlias = Literal["RGB", "L"]
_MAX_16_BIT = 65535
_STRIP_ROWS = 64


def to_color(image: Image.Image, color: Color) -> Image.Image:
    """The image in mode `color`, untouched where it is so already (converting costs 28 ms at 12 megapixels).

    Raises ValueError for pixels of no known range, and what Pillow raises where it knows no way.
    """
    if image.mode == color and not image.has_transparency_data:
        return image
    if image.mode == "F":
        raise ValueError("32-bit floats have no known range; convert it to 8 bits first")
    if image.mode.startswith("I"):
        image = _from_16_bit(image)
    if image.has_transparency_data:
        image = _on_white(image)
    return image if image.mode == color else image.convert(color)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "LA":  # as gray, in half the memory
        gray = Image.new("L", image.size, "white")
        gray.paste(image.getchannel("L"), mask=image.getchannel("A"))
        return gray
    layered = image if image.mode == "RGBA" else image.convert("RGBA")
    canvas = Image.new("RGB", layered.size, "white")
    canvas.paste(layered, mask=layered)
    return canvas


def _from_16_bit(image: Image.Image) -> Image.Image:
    """16-bit gray scaled to 8 bits: 65535 -> 255. Pillow's own conversion clips at 255 and answers white."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > _MAX_16_BIT:
        raise ValueError(f"32-bit integers up to {values.max()} have no known range; convert it to 8 bits first")
    scaled = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), _STRIP_ROWS):  # in strips: as wider integers the whole would take 4 times as much
        strip = values[top : top + _STRIP_ROWS].astype(np.uint32)
        scaled[top : top + _STRIP_ROWS] = (strip + 128) // 257  # 257 is odd: there is no half to round
    return Image.fromarray(scaled)
