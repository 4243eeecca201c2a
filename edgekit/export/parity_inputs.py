"""The pictures that a conversion is checked on: the user's own, or drawings where none are given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from edgekit.dataset import PictureSet
from edgekit.image.load import load_image
from edgekit.image.size import Size
from edgekit.image.source import ImageSource, Pixels
from edgekit.preprocess.spec import Preprocess

_COUNT = 16
_DRAWN = Size(96, 128)


def check_pixels(preprocess: Preprocess, pictures: PictureSet | None) -> tuple[Pixels, str]:
    """uint8 (N, height, width, channels) of at most 16 pictures, and what they are, for the record in the file."""
    sources, _ = chosen(pictures, _COUNT)
    return cut(sources, preprocess), "drawings" if pictures is None else "given pictures"


def chosen(pictures: PictureSet | None, count: int) -> tuple[Sequence[ImageSource], tuple[str, ...]]:
    """At most `count` of the pictures, always the same, or as many drawings where None; and their names."""
    if pictures is None:
        return drawings(count), tuple(f"drawing {seed}" for seed in range(count))
    sample = pictures.sample(count, seed=0)
    return sample.sources, sample.names


def cut(sources: Sequence[ImageSource], preprocess: Preprocess) -> Pixels:
    """uint8 (N, height, width, channels): the center crop of each picture."""
    return np.concatenate([preprocess.pixels(load_image(source, color=preprocess.color)) for source in sources])


def drawings(count: int) -> list[Image.Image]:
    """RGB pictures drawn by seeds 0, 1, ...: always the same."""
    return [_drawing(seed) for seed in range(count)]


def _drawing(seed: int) -> Image.Image:
    """A blurred scene of a few shapes before a colored ground, with some noise: edges, areas and texture."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (_DRAWN.width, _DRAWN.height), _color(rng))
    draw = ImageDraw.Draw(picture)
    for number in range(8):
        (x, y), (w, h) = rng.integers(-10, 110, 2).tolist(), rng.integers(10, 70, 2).tolist()
        shape = draw.ellipse if number % 2 else draw.rectangle
        shape((x, y, x + w, y + h), fill=_color(rng), outline=_color(rng))
    pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(1))).astype(np.int64)
    noisy = pixels + rng.integers(-12, 13, pixels.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def _color(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue
