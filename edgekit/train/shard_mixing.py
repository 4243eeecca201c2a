"""How well an epoch mixes the classes of images in shards, of which it shuffles only some together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.dataset import ImageSet
from edgekit.train.epoch_order import shard_numbers
from edgekit.train.recipe import Recipe

# Share of the images, beyond chance, from which on shards count as sorted by class. Images written in a random order
# are at 0, folders written one after the other at almost 1.
_MOST_SKEW = 0.25


def mixing_warning(training: ImageSet, recipe: Recipe, *, world: int) -> str | None:
    """A warning if the shards are sorted by class, and too few of them are shuffled together; otherwise None.

    Args:
        training: images to train on.
        recipe: the recipe; its seed and `shuffle_shards` matter.
        world: number of processes, each of which contributes images of its own shards to a step.
    """
    shards = shard_numbers(training)
    if shards is None:
        return None
    count, window = len(np.unique(shards)), recipe.optimize.shuffle_shards
    skew = class_skew(training, shards, together=window * world, seed=recipe.seed)
    if skew <= _MOST_SKEW:
        return None
    enough = window
    while class_skew(training, shards, together=enough * world, seed=recipe.seed) > _MOST_SKEW:
        enough = min(2 * enough, count)
    return (
        f"warning: the {count} shards are sorted by class, and `shuffle_shards` {window} mixes too few of them: "
        f"the classes of images that are shuffled together differ by {100 * skew:.0f}% from those of all; set "
        f"`shuffle_shards` to {enough}, or write the images to shards in random order"
    )


def class_skew(images: ImageSet, shards: npt.NDArray[np.int64], *, together: int, seed: int) -> float:
    """How far the classes of images that are shuffled together differ from those of all images.

    Args:
        images: the images.
        shards: int64 (images,), the number of the shard of each image, from 0.
        together: number of shards whose images are shuffled together.
        seed: of the order of the shards.

    Returns:
        The share of the images that would have to be of another class, from 0 to 1; less what it is for images in
        random order, since few images of many classes differ by chance.
    """
    rng = np.random.default_rng((seed, 0))
    windows = rng.permutation(int(shards.max()) + 1)[shards] // together
    classes = images.truth()
    if classes.ndim == 2:
        labeled, classes = np.nonzero(classes)
        windows = windows[labeled]
    by_chance = _distance(windows, rng.permutation(classes))
    return max(_distance(windows, classes) - by_chance, 0.0)


def _distance(windows: npt.NDArray[np.int64], classes: npt.NDArray[Any]) -> float:
    """The mean total variation distance of the classes of each window from those of all, weighted by images."""
    width = int(classes.max()) + 1
    counts = np.bincount(windows * width + classes, minlength=(int(windows.max()) + 1) * width).reshape(-1, width)
    expected = counts.sum(1, keepdims=True) * (counts.sum(0) / len(classes))
    return float(np.abs(counts - expected).sum() / 2 / len(classes))
