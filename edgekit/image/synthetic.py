"""Synthetic images from fixed seeds: identical on every run, so that tests and timings need no data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from edgekit.image.size import Size

_SCENE = Size(96, 128)
_PHOTO = Size(375, 500)  # the average size in ImageNet
_PHOTO_QUALITY = 90


def draw_scenes(count: int) -> list[Image.Image]:
    """Draw RGB images from the seeds 0, 1, ...: shapes with edges, flat areas and texture, for comparing models."""
    return [draw_scene(seed) for seed in range(count)]


def draw_scene(seed: int, size: Size = _SCENE) -> Image.Image:
    """Draw a few shapes on a colored background, blurred, with some noise: an RGB image.

    Args:
        seed: same seed, same image.
        size: of the image; the shapes are scaled to it.
    """
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (size.width, size.height), _draw_color(rng))
    draw = ImageDraw.Draw(image)
    for number in range(8):
        (x, y), (w, h) = rng.integers(-10, 110, 2).tolist(), rng.integers(10, 70, 2).tolist()
        left, right = (across * size.width // _SCENE.width for across in (x, x + w))
        upper, lower = (down * size.height // _SCENE.height for down in (y, y + h))
        shape = draw.ellipse if number % 2 else draw.rectangle
        shape((left, upper, right, lower), fill=_draw_color(rng), outline=_draw_color(rng))
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(1))).astype(np.int64)
    noisy = pixels + rng.integers(-12, 13, pixels.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def _draw_color(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def write_synthetic_photo(folder: Path) -> Path:
    """Write a JPEG that costs as much to decode as a photo, with smooth areas and grain, and return its path."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3)).astype(np.uint8))
    smooth = np.asarray(coarse.resize((_PHOTO.width, _PHOTO.height), Image.Resampling.BICUBIC), np.int64)
    grain = rng.normal(0, 6, (_PHOTO.height, _PHOTO.width, 3)).astype(np.int64)
    path = folder / "drawn.jpg"
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(path, quality=_PHOTO_QUALITY)
    return path
