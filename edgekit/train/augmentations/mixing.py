"""Mixup and CutMix: pairs of images of a batch combined into one."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edgekit.image.source import Pixels
from edgekit.train.settings import Augment

# Pixels, indexes of the images, indexes of those that are mixed in, share of the first ones.
MixedBatch: TypeAlias = tuple[Tensor, Tensor, Tensor, float]


def mixed(pixels: Pixels, indexes: npt.NDArray[np.int64], augment: Augment, rng: np.random.Generator) -> MixedBatch:
    """Combine each image of a batch with another image of it, if the recipe has mixup or CutMix.

    If it has both, each batch gets one of them at random.

    Args:
        pixels: uint8 (N, height, width, channels).
        indexes: int64 (N,), of the images in their set.
        augment: the [augment] section of the recipe.
        rng: source of all draws.

    Returns:
        Pixels, indexes, indexes of the images that are mixed in, and the share (0 to 1) of the first ones.
    """
    methods = [m for m, alpha in ((_mixup, augment.mixup), (_cutmix, augment.cutmix)) if alpha]
    if not methods:
        own = torch.from_numpy(indexes)
        return torch.from_numpy(pixels), own, own, 1.0
    method = methods[int(rng.integers(len(methods)))]
    alpha = augment.mixup if method is _mixup else augment.cutmix
    order = rng.permutation(len(pixels))
    combined, share = method(pixels, pixels[order], float(rng.beta(alpha, alpha)), rng)
    return torch.from_numpy(combined), torch.from_numpy(indexes), torch.from_numpy(indexes[order]), share


def _mixup(pixels: Pixels, others: Pixels, share: float, rng: np.random.Generator) -> tuple[Pixels, float]:
    """A weighted mean, rounded to whole levels (Zhang et al. 2017, arXiv 1710.09412)."""
    blended = pixels * np.float32(share) + others * np.float32(1 - share)
    return np.rint(blended).astype(np.uint8), share


def _cutmix(pixels: Pixels, others: Pixels, share: float, rng: np.random.Generator) -> tuple[Pixels, float]:
    """Paste a box of the other image, 1 - share of the area, at a random place (Yun et al. 2019, arXiv 1905.04899).

    If the border clips the box, the share of the first image grows accordingly, as in the paper's code.
    """
    height, width = pixels.shape[1:3]
    side = (1 - share) ** 0.5
    y, x = int(rng.integers(height)), int(rng.integers(width))
    rows, columns = round(height * side), round(width * side)
    top, bottom = max(y - rows // 2, 0), min(y - rows // 2 + rows, height)
    left, right = max(x - columns // 2, 0), min(x - columns // 2 + columns, width)
    pasted = pixels.copy()
    pasted[:, top:bottom, left:right] = others[:, top:bottom, left:right]
    return pasted, 1 - (bottom - top) * (right - left) / (height * width)
