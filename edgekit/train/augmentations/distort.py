"""Rotation, shear and random erasing of uint8 (height, width, channels) pixels."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from edgekit.image.source import Pixels

# Zhong et al. 2017, arXiv 1708.04896, section 4.2: share of the area, height / width.
_ERASED_SHARE = (0.02, 0.4)
_ERASED_RATIO = (0.3, 1 / 0.3)


def warped(pixels: Pixels, *, rotate: float, shear: float, fill: tuple[int, ...], rng: np.random.Generator) -> Pixels:
    """Rotate and shear around the center by up to `rotate` and `shear` degrees in either direction.

    fill: color of what lies outside the image, for each channel.
    """
    angle, slant = (math.radians(rng.uniform(-limit, limit)) for limit in (rotate, shear))
    height, width, channels = pixels.shape
    # Pillow maps positions in the result to positions in the source: x' = a x + b y + c, y' = d x + e y + f.
    a, b = math.cos(angle), math.sin(angle) + math.tan(slant) * math.cos(angle)
    d, e = -math.sin(angle), math.cos(angle) - math.tan(slant) * math.sin(angle)
    x, y = width / 2, height / 2
    matrix = (a, b, x - a * x - b * y, d, e, y - d * x - e * y)
    image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    color = fill if channels > 1 else fill[0]
    transformed = image.transform(
        (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=color
    )
    return np.asarray(transformed).reshape(pixels.shape)


def erased(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A copy with a random rectangle replaced by noise (random erasing, "RE-R": Zhong et al. 2017, section 3.2)."""
    height, width, channels = pixels.shape
    area = rng.uniform(*_ERASED_SHARE) * height * width
    ratio = math.exp(rng.uniform(math.log(_ERASED_RATIO[0]), math.log(_ERASED_RATIO[1])))
    rows = min(max(round(math.sqrt(area * ratio)), 1), height)
    columns = min(max(round(math.sqrt(area / ratio)), 1), width)
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    result = pixels.copy()
    result[top : top + rows, left : left + columns] = rng.integers(0, 256, (rows, columns, channels), np.uint8)
    return result
