"""A stand-in for a photograph, so that a bench needs no data: areas and grain cost a decoder what a photo does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

_HEIGHT, _WIDTH = 375, 500  # as ImageNet's are on average
_QUALITY = 90


def write_drawn(folder: Path) -> Path:
    """Write a JPEG, always the same, into the folder; its path."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3)).astype(np.uint8))
    smooth = np.asarray(coarse.resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC), np.int64)
    grain = rng.normal(0, 6, (_HEIGHT, _WIDTH, 3)).astype(np.int64)
    path = folder / "drawn.jpg"
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(path, quality=_QUALITY)
    return path
