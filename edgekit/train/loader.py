"""Batches of pixels from a picture set, prepared in worker processes beside the training step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from edgekit.dataset import PictureSet
from edgekit.errors import ImageError
from edgekit.image.load import load_image
from edgekit.image.source import Pixels
from edgekit.preprocess.spec import Preprocess
from edgekit.train.augmentations.augment import augmented
from edgekit.train.augmentations.color import ColorAxes
from edgekit.train.augmentations.mixing import Mixed, mixed
from edgekit.train.distributed import Place
from edgekit.train.recipe import Recipe

_Key: TypeAlias = tuple[int, int]  # (epoch, index): all that a worker must know, so that it keeps no state


class Batch(NamedTuple):
    """Inputs of one step and what the answers should be.

    inputs: uint8 (N, height, width, channels) pixels, or float32 (N, features). labels: int64 (N,). partners: of the
    pictures mixed in, of which 1 - share was taken; share is 1 where nothing was. total: pictures of the step in all
    processes together.
    """

    inputs: Tensor
    labels: Tensor
    partners: Tensor
    share: float
    total: int


def epoch_order(count: int, recipe: Recipe, epoch: int) -> list[npt.NDArray[np.int64]]:
    """The picture indexes of every step, in the order that (seed, epoch) draws.

    Every picture comes exactly once; the steps' sizes differ by at most one, so that no step is a tiny rest, whose
    batch statistics would be noise.
    """
    order = np.random.default_rng((recipe.seed, epoch)).permutation(count)
    return np.array_split(order, steps_of(count, recipe))


def steps_of(count: int, recipe: Recipe) -> int:
    """Steps of an epoch over that many pictures."""
    return -(-count // recipe.optimize.batch_size)


def training_batches(
    pictures: PictureSet,
    recipe: Recipe,
    *,
    epoch: int,
    workers: int,
    axes: ColorAxes | None = None,
    first: int = 0,
    place: Place = Place(),  # noqa: B008  (frozen)
) -> Iterator[Batch]:
    """One epoch in random order, from step `first` on; of each step, the share of this process.

    Order and augmentation depend on (seed, epoch, index) alone, whatever the workers. Raises ImageError for an
    unreadable picture.
    """
    steps = epoch_order(len(pictures), recipe, epoch)[first:]
    keys = [[(epoch, int(index)) for index in place.share(step)] for step in steps]
    batches = _load(_Augmented(pictures, recipe, axes), keys, workers)
    for step, (pixels, labels, partners, share) in zip(steps, batches, strict=True):
        yield Batch(pixels, labels, partners, share, len(step))


def evaluation_batches(
    pictures: PictureSet,
    preprocess: Preprocess,
    *,
    batch_size: int,
    workers: int,
    place: Place = Place(),  # noqa: B008  (frozen)
) -> Iterator[Batch]:
    """This process's share of the pictures, in order, by their reference center crop."""
    indexes = place.share(np.arange(len(pictures)))
    keys = [[(0, int(i)) for i in indexes[at : at + batch_size]] for at in range(0, len(indexes), batch_size)]
    for pixels, labels, partners, share in _load(_Reference(pictures, preprocess), keys, workers):
        yield Batch(pixels, labels, partners, share, len(labels))


class _Augmented(Dataset[Mixed]):
    def __init__(self, pictures: PictureSet, recipe: Recipe, axes: ColorAxes | None) -> None:
        self.pictures, self.recipe, self.axes = pictures, recipe, axes

    def __getitems__(self, keys: list[_Key]) -> Mixed | ImageError:
        try:
            pixels = np.stack([self._pixels(*key) for key in keys])
        except ImageError as error:
            return error
        labels = np.array([self.pictures.labels[index] for _, index in keys], np.int64)
        rng = np.random.default_rng((self.recipe.seed, *keys[0], 1))
        return mixed(pixels, labels, self.recipe.augment, rng)

    def _pixels(self, epoch: int, index: int) -> Pixels:
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, epoch, index))
        picture = load_image(self.pictures.sources[index], color=recipe.preprocess.color)
        progress = epoch / recipe.optimize.epochs
        return augmented(picture, recipe.preprocess, recipe.augment, progress=progress, rng=rng, axes=self.axes)


class _Reference(Dataset[Mixed]):
    def __init__(self, pictures: PictureSet, preprocess: Preprocess) -> None:
        self.pictures, self.preprocess = pictures, preprocess

    def __getitems__(self, keys: list[_Key]) -> Mixed | ImageError:
        try:
            pixels = np.stack([self._pixels(index) for _, index in keys])
        except ImageError as error:
            return error
        labels = torch.tensor([self.pictures.labels[index] for _, index in keys])
        return torch.from_numpy(pixels), labels, labels, 1.0

    def _pixels(self, index: int) -> Pixels:
        picture = load_image(self.pictures.sources[index], color=self.preprocess.color)
        pixels: Pixels = self.preprocess.pixels(picture)[0]
        return pixels


def _load(dataset: Dataset[Mixed], keys: list[list[_Key]], workers: int) -> Iterator[Mixed]:
    """The dataset's answer to each list of keys, in order.

    An ImageError is answered and raised here: raised in a worker it would arrive with the worker's whole traceback.
    """
    loader = DataLoader(
        dataset,
        batch_sampler=keys,
        num_workers=min(workers, len(keys)),
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # its own, so that loading draws nothing from the generator of the training
    )
    for answer in loader:
        if isinstance(answer, ImageError):
            raise answer
        yield answer


def _as_it_is(answer: Any) -> Any:
    """What __getitems__ answered is a batch already."""
    return answer
