"""What a training step is fed with: pixels from the pictures, or features that a frozen backbone gave once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edgekit.dataset import PictureSet
from edgekit.train.augmentations.color import ColorAxes, color_axes
from edgekit.train.distributed import Place
from edgekit.train.loader import Batch, epoch_order, evaluation_batches, training_batches
from edgekit.train.recipe import Recipe
from edgekit.zoo.network import Network, PixelNetwork

_EVALUATION_BATCH = 64


class Feed(Protocol):
    """Where batches come from, of one training set and one validation set."""

    def training(self, epoch: int, first: int) -> Iterator[Batch]:
        """The epoch's batches from step `first` on."""

    def evaluation(self) -> Iterator[Batch]:
        """This process's share of the validation set."""


class PictureFeed:
    """Augmented pictures, prepared anew for every epoch."""

    def __init__(
        self, training: PictureSet, validation: PictureSet, recipe: Recipe, *, workers: int, place: Place
    ) -> None:
        self._training, self._validation, self._recipe = training, validation, recipe
        self._workers, self._place = workers, place
        self._axes = axes_of(training, recipe)

    def training(self, epoch: int, first: int) -> Iterator[Batch]:
        return training_batches(
            self._training,
            self._recipe,
            epoch=epoch,
            first=first,
            workers=self._workers,
            axes=self._axes,
            place=self._place,
        )

    def evaluation(self) -> Iterator[Batch]:
        return evaluation_batches(
            self._validation,
            self._recipe.preprocess,
            batch_size=_EVALUATION_BATCH,
            workers=self._workers,
            place=self._place,
        )


class FeatureFeed:
    """The features of every picture, computed by one pass over them: an epoch then takes milliseconds.

    With augment.feature_copies, that many passes over augmented pictures; epoch after epoch takes the next copy.
    """

    def __init__(
        self,
        network: Network,
        training: PictureSet,
        validation: PictureSet,
        recipe: Recipe,
        *,
        workers: int,
        place: Place,
    ) -> None:
        preprocess = recipe.preprocess
        body = PixelNetwork(network.body, mean=preprocess.mean, std=preprocess.std)
        body.to(next(network.parameters()).device)
        self._recipe, self._place = recipe, place
        self._labels, self._val_labels = torch.tensor(training.labels), torch.tensor(validation.labels)
        self._copies = [
            _augmented_features(body, training, recipe, copy, workers, place)
            for copy in range(recipe.augment.feature_copies)
        ] or [_plain_features(body, training, recipe, workers, place)]
        self._val = _plain_features(body, validation, recipe, workers, place)

    def training(self, epoch: int, first: int) -> Iterator[Batch]:
        features = self._copies[epoch % len(self._copies)]
        for step in epoch_order(len(features), self._recipe, epoch)[first:]:
            mine = torch.from_numpy(self._place.share(step))
            labels = self._labels[mine]
            yield Batch(features[mine], labels, labels, 1.0, len(step))

    def evaluation(self) -> Iterator[Batch]:
        mine = slice(self._place.rank, None, self._place.world)
        labels = self._val_labels[mine]
        yield Batch(self._val[mine], labels, labels, 1.0, len(labels))


def unmixed(recipe: Recipe) -> Recipe:
    """The recipe without mixup and cutmix: a feature is one picture's."""
    return dataclasses.replace(recipe, augment=dataclasses.replace(recipe.augment, mixup=0.0, cutmix=0.0))


def axes_of(training: PictureSet, recipe: Recipe) -> ColorAxes | None:
    """The axes of the training pictures' colors, where the recipe needs them."""
    return color_axes(training, recipe.preprocess) if recipe.augment.pca_color else None


def _plain_features(body: nn.Module, pictures: PictureSet, recipe: Recipe, workers: int, place: Place) -> Tensor:
    """(pictures, features) of the reference crops, in order."""
    own = place if len(pictures) >= place.world else Place()
    size = _EVALUATION_BATCH
    batches = evaluation_batches(pictures, recipe.preprocess, batch_size=size, workers=workers, place=own)
    return _gathered(body, batches, own.share(np.arange(len(pictures))), len(pictures), own)


def _augmented_features(
    body: nn.Module, pictures: PictureSet, recipe: Recipe, copy: int, workers: int, place: Place
) -> Tensor:
    """(pictures, features) of one augmented copy of each picture, in order."""
    alone = unmixed(recipe)
    axes = axes_of(pictures, recipe)
    batches = training_batches(pictures, alone, epoch=copy, workers=workers, axes=axes, place=place)
    order = np.concatenate([place.share(step) for step in epoch_order(len(pictures), alone, copy)])
    return _gathered(body, batches, order, len(pictures), place)


@torch.no_grad()
def _gathered(
    body: nn.Module, batches: Iterable[Batch], indexes: npt.NDArray[np.int64], count: int, place: Place
) -> Tensor:
    """(count, features): this process's batches are of the pictures `indexes`; the others' come from the others."""
    device = next(body.parameters()).device
    body.eval()
    # Off the device batch by batch: those of a large set fill its memory, and are fed from here.
    own = torch.cat([body(batch.inputs.to(device)).cpu() for batch in batches])
    rows = own.new_zeros(count, *own.shape[1:]).index_copy_(0, torch.from_numpy(indexes), own)
    if place.world == 1:
        return rows
    # Every row is zero in all processes but one, so that the sum is exact; nccl adds on the device only.
    return place.total(rows.to(device)).cpu()
