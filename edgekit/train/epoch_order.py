"""The order in which an epoch takes the images: drawn anew for each epoch, and the same again in a resumed run."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt

from edgekit.dataset import ImageSet
from edgekit.shards.record import ShardImage
from edgekit.train.recipe import Recipe


def epoch_order(
    count: int,
    recipe: Recipe,
    epoch: int,
    *,
    weights: npt.NDArray[np.float64] | None = None,
    shards: npt.NDArray[np.int64] | None = None,
    world: int = 1,
) -> list[npt.NDArray[np.int64]]:
    """Draw the order of an epoch from (seed, epoch).

    Every image appears exactly once; with `weights`, as often as its weight says, rounded up or down at random so that
    the epoch still has `count` images. The sizes of the steps differ by at most one, so that no step is a small
    remainder, whose batch statistics would be noise.

    Images in more than `shuffle_shards` shards are not shuffled all together: the shards are, and then the images of
    every `shuffle_shards` successive ones, so that at any time only these are read. Each process reads shards of its
    own: those of a run of the shuffled shards, cut where its share of the images ends. A class whose images are all in
    one shard then comes all at once; `class_skew` measures that.

    Args:
        count: number of images.
        recipe: the recipe; its seed, batch size and `shuffle_shards` matter.
        epoch: number of the epoch, from 0.
        weights: float64 (count,), how often each image is drawn on average; their mean is 1.
        shards: int64 (count,), the number of the shard of each image, from 0; None to shuffle all images together.
        world: number of processes that share the shards. Process r gets every `world`-th image of a step, from the
            r-th on.

    Returns:
        For every step, int64 (images of the step,) indexes of images.
    """
    rng = np.random.default_rng((recipe.seed, epoch))
    window, steps = recipe.optimize.shuffle_shards, steps_per_epoch(count, recipe)
    if shards is None or len(np.unique(shards)) <= window:
        order = rng.permutation(count)
        if weights is not None:
            order = rng.permutation(_drawn(order, weights, rng))
        return np.array_split(order, steps)
    place = rng.permutation(int(shards.max()) + 1)[shards]  # of each image's shard in this epoch
    order = np.lexsort((rng.random(count), place))
    if weights is not None:
        order = _drawn(order, weights, rng)
    places_in_steps = np.concatenate([np.arange(len(step)) for step in np.array_split(order, steps)])
    shuffled, end = np.empty_like(order), 0
    for rank in range(world):
        slots = np.flatnonzero(places_in_steps % world == rank)
        begin, end = end, end + len(slots)
        run = order[begin:end]
        shuffled[slots] = run[np.lexsort((rng.random(len(run)), _windows(place[run], window)))]
    return np.array_split(shuffled, steps)


def steps_per_epoch(count: int, recipe: Recipe) -> int:
    """The number of steps of an epoch over `count` images."""
    return -(-count // recipe.optimize.batch_size)


def shard_numbers(images: ImageSet) -> npt.NDArray[np.int64] | None:
    """The number of the shard of each image, int64 (images,), from 0 without gaps; None if an image is in no shard.

    A shard is what is read as a whole or in one go: a tar file, and of Parquet files a row group.
    """
    numbers: dict[Hashable, int] = {}
    shards = np.empty(len(images), np.int64)
    for index, source in enumerate(images.sources):
        if not isinstance(source, ShardImage):
            return None
        shards[index] = numbers.setdefault((source.shard.path, source.row_group), len(numbers))
    return shards


def _windows(places: npt.NDArray[np.int64], window: int) -> npt.NDArray[np.int64]:
    """The number of the window of each image, if every `window` successive shards make one; `places` do not fall."""
    return np.cumsum(np.diff(places, prepend=places[:1]) > 0) // window


def _drawn(
    order: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Repeat or leave out entries of `order` by systematic sampling.

    On a line on which each entry takes up its weight, a random point in [0, 1) and every 1 after it draws one.
    """
    ends = np.cumsum(weights[order])
    ends[-1] = len(order)  # exact, so that as many are drawn as there are images
    drawn_until = np.floor(ends + rng.random()).astype(np.int64)
    return np.repeat(order, drawn_until - np.append(0, drawn_until[:-1]))
