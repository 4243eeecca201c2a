"""Batches of pixels from a picture set, prepared in worker processes beside the training step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from edgekit import image
from edgekit.dataset import PictureSet
from edgekit.errors import ImageError
from edgekit.image import Pixels
from edgekit.preprocess import Preprocess
from edgekit.train.recipe import Recipe

Batch: TypeAlias = tuple[Tensor, Tensor]
_Key: TypeAlias = tuple[int, int]  # (epoch, index): all that a worker must know, so that it keeps no state
_Item: TypeAlias = "tuple[Pixels, int] | ImageError"


def training_batches(pictures: PictureSet, recipe: Recipe, *, epoch: int, workers: int) -> Iterator[Batch]:
    """One epoch in random order: uint8 (N, height, width, channels) pixels and int64 (N,) class indexes.

    Order and augmentation depend on (seed, epoch, index) alone, whatever the workers; the last, smaller batch is
    dropped. Raises ImageError for an unreadable picture.
    """
    dataset = _Augmented(pictures, recipe)
    sampler = _EpochOrder(len(pictures), recipe, epoch)
    return _batches(DataLoader(dataset, batch_sampler=sampler, num_workers=workers, collate_fn=_collate))


def evaluation_batches(
    pictures: PictureSet, preprocess: Preprocess, *, batch_size: int, workers: int
) -> Iterator[Batch]:
    """Every picture once, in order, by its reference center crop; as training_batches."""
    dataset = _Reference(pictures, preprocess)
    return _batches(DataLoader(dataset, batch_size=batch_size, num_workers=workers, collate_fn=_collate))


class _Augmented(Dataset[_Item]):
    def __init__(self, pictures: PictureSet, recipe: Recipe) -> None:
        self.pictures, self.recipe = pictures, recipe

    def __getitem__(self, key: _Key) -> _Item:
        epoch, index = key
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, epoch, index))
        try:
            picture = image.load(self.pictures.sources[index], color=recipe.preprocess.color)
        except ImageError as error:
            return error
        progress = epoch / recipe.optimize.epochs
        pixels = recipe.augment.pixels(picture, recipe.preprocess, progress=progress, rng=rng)
        return pixels, self.pictures.labels[index]


class _Reference(Dataset[_Item]):
    def __init__(self, pictures: PictureSet, preprocess: Preprocess) -> None:
        self.pictures, self.preprocess = pictures, preprocess

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> _Item:
        try:
            picture = image.load(self.pictures.sources[index], color=self.preprocess.color)
        except ImageError as error:
            return error
        return self.preprocess.pixels(picture)[0], self.pictures.labels[index]


class _EpochOrder(Sampler[list[_Key]]):
    """Full batches of keys, in the order that (seed, epoch) draws."""

    def __init__(self, count: int, recipe: Recipe, epoch: int) -> None:
        order = np.random.default_rng((recipe.seed, epoch)).permutation(count).tolist()
        size = min(recipe.optimize.batch_size, count)
        self.batches = [[(epoch, i) for i in order[at : at + size]] for at in range(0, count - size + 1, size)]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[_Key]]:
        return iter(self.batches)


def _collate(items: list[_Item]) -> Batch | ImageError:
    """A batch, or the first error as it is: raised in a worker it would arrive with the worker's whole traceback."""
    for item in items:
        if isinstance(item, ImageError):
            return item
    pixels = np.stack([item[0] for item in items])  # type: ignore[index]
    return torch.from_numpy(pixels), torch.tensor([item[1] for item in items])  # type: ignore[index]


def _batches(loader: DataLoader[_Item]) -> Iterator[Batch]:
    for batch in loader:
        if isinstance(batch, ImageError):
            raise batch
        yield batch
