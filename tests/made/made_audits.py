"""Data sets for audits: colored noise that the tiny model tells apart, and photographs drawn at random."""

from collections.abc import Sequence

import numpy as np
from made_models import LABELS
from PIL import Image

from edgekit.dataset import ImageSet

_COLORS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200), "black": (20, 20, 20)}


def drawing(seed: int, *, side: int = 96) -> Image.Image:
    """Draw an image with structure at every scale, as photos have."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((side, side, 3))
    for cells in (3, 6, 12, 24):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), np.uint8))
        pixels += np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC), float) * 3 / cells
    return Image.fromarray((255 * (pixels - pixels.min()) / np.ptp(pixels)).astype(np.uint8))


def colored(label: str, seed: int) -> np.ndarray:
    """Draw noise around the color of a label."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 25, (20, 30, 3)) + rng.normal(0, 12, 3)
    return np.clip(np.array(_COLORS[label]) + noise, 0, 255).astype(np.uint8)


def colored_images(count: int, *, flipped: Sequence[int] = (), first: int = 0) -> ImageSet:
    """Draw images of the tiny model's four classes in turn; the flipped ones have the label of the next class."""
    labels = [n % len(LABELS) for n in range(count)]
    sources = [colored(LABELS[label], first + n) for n, label in enumerate(labels)]
    given = tuple((label + (n in flipped)) % len(LABELS) for n, label in enumerate(labels))
    return ImageSet(LABELS, sources, tuple(f"{first + n}.png" for n in range(count)), given)
