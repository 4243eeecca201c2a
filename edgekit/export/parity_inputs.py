"""The images that models are compared on: the user's own, or synthetic ones if none are given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.dataset import ImageSet
from edgekit.image.load import load_image
from edgekit.image.source import ImageSource, Pixels
from edgekit.image.synthetic import draw_scenes
from edgekit.preprocess.spec import Preprocess

_PARITY_IMAGES = 16


def parity_pixels(preprocess: Preprocess, images: ImageSet | None) -> tuple[Pixels, str]:
    """uint8 (N, height, width, channels) of at most 16 images, and their origin, for the record in the file."""
    sources, _ = sample_sources(images, _PARITY_IMAGES)
    return center_crops(sources, preprocess), "drawings" if images is None else "given images"


def sample_sources(images: ImageSet | None, count: int) -> tuple[Sequence[ImageSource], tuple[str, ...]]:
    """At most `count` of the images, always the same, or as many synthetic ones if None; and their names."""
    if images is None:
        return draw_scenes(count), tuple(f"drawing {seed}" for seed in range(count))
    sample = images.sample(count, seed=0)
    return sample.sources, sample.names


def center_crops(sources: Sequence[ImageSource], preprocess: Preprocess) -> Pixels:
    """uint8 (N, height, width, channels)."""
    return np.concatenate([preprocess.pixels(load_image(source, color=preprocess.color)) for source in sources])
