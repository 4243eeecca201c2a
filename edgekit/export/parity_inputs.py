"""The images that a model is compared with its parent on: the user's, or synthetic ones."""

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
    """Prepare up to 16 images for a comparison.

    Args:
        preprocess: how they are resized and cropped.
        images: images to choose from; None for synthetic ones.

    Returns:
        uint8 (N, height, width, channels), and the origin of the images, which is recorded in the metadata.
    """
    sources, _ = sample_sources(images, _PARITY_IMAGES)
    return center_crops(sources, preprocess), "drawings" if images is None else "given images"


def sample_sources(images: ImageSet | None, count: int) -> tuple[Sequence[ImageSource], tuple[str, ...]]:
    """Choose up to `count` images, always the same ones; None for synthetic images. Returns them and their names."""
    if images is None:
        return draw_scenes(count), tuple(f"drawing {seed}" for seed in range(count))
    sample = images.sample(count, seed=0)
    return sample.sources, sample.names


def center_crops(sources: Sequence[ImageSource], preprocess: Preprocess) -> Pixels:
    """Load the images and crop their center: uint8 (N, height, width, channels)."""
    return np.concatenate([preprocess.pixels(load_image(source, color=preprocess.color)) for source in sources])
