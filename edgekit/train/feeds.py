"""Sources of batches for training: pixels of images, or features that a frozen backbone computed once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edgekit.dataset import ImageSet
from edgekit.train.augmentations.color import ColorAxes, color_axes
from edgekit.train.distributed import TrainingProcess
from edgekit.train.loader import Batch, epoch_order, evaluation_batches, targets, training_batches
from edgekit.train.recipe import Recipe
from edgekit.zoo.network import Network, PixelNetwork

_EVALUATION_BATCH = 64


class Feed(Protocol):
    """A source of batches from one training set and one validation set."""

    def training(self, epoch: int, first_step: int) -> Iterator[Batch]:
        """The batches of an epoch, starting at step `first_step`."""

    def evaluation(self) -> Iterator[Batch]:
        """The batches of this process's share of the validation set."""


class ImageFeed:
    """Augmented images, prepared anew for every epoch.

    Args:
        training: images to train on.
        validation: images to evaluate on.
        recipe: the recipe; its preprocessing and augmentation matter.
        workers: number of processes that prepare images; 0 prepares them in this process.
        process: this process's share of the images.
    """

    def __init__(
        self, training: ImageSet, validation: ImageSet, recipe: Recipe, *, workers: int, process: TrainingProcess
    ) -> None:
        self._training, self._validation, self._recipe = training, validation, recipe
        self._workers, self._process = workers, process
        self._axes = pca_axes(training, recipe)

    def training(self, epoch: int, first_step: int) -> Iterator[Batch]:
        return training_batches(
            self._training,
            self._recipe,
            epoch=epoch,
            first_step=first_step,
            workers=self._workers,
            axes=self._axes,
            process=self._process,
        )

    def evaluation(self) -> Iterator[Batch]:
        return evaluation_batches(
            self._validation,
            self._recipe.preprocess,
            batch_size=_EVALUATION_BATCH,
            workers=self._workers,
            process=self._process,
        )


class FeatureFeed:
    """Features of every image, computed in one pass over the images, so that an epoch takes milliseconds.

    With `augment.feature_copies`, that many passes over augmented images are made, and each epoch uses the next copy.

    Args:
        network: the network, whose body computes the features.
        training: images to train on.
        validation: images to evaluate on.
        recipe: the recipe; its preprocessing and augmentation matter.
        workers: number of processes that prepare images; 0 prepares them in this process.
        process: this process's share of the images.

    Raises:
        ImageError: an image cannot be read.
    """

    def __init__(
        self,
        network: Network,
        training: ImageSet,
        validation: ImageSet,
        recipe: Recipe,
        *,
        workers: int,
        process: TrainingProcess,
    ) -> None:
        preprocess = recipe.preprocess
        body = PixelNetwork(network.body, mean=preprocess.mean, std=preprocess.std)
        body.to(next(network.parameters()).device)
        self._recipe, self._process = recipe, process
        self._labels, self._val_labels = (torch.from_numpy(targets(images)) for images in (training, validation))
        self._copies = [
            _augmented_features(body, training, recipe=recipe, copy=copy, workers=workers, process=process)
            for copy in range(recipe.augment.feature_copies)
        ] or [_center_crop_features(body, training, recipe=recipe, workers=workers, process=process)]
        self._val_features = _center_crop_features(body, validation, recipe=recipe, workers=workers, process=process)

    def training(self, epoch: int, first_step: int) -> Iterator[Batch]:
        features = self._copies[epoch % len(self._copies)]
        for step in epoch_order(len(features), self._recipe, epoch)[first_step:]:
            indexes = torch.from_numpy(self._process.share(step))
            labels = self._labels[indexes]
            yield Batch(features[indexes], labels, labels, 1.0, len(step))

    def evaluation(self) -> Iterator[Batch]:
        own_share = slice(self._process.rank, None, self._process.world)
        labels = self._val_labels[own_share]
        yield Batch(self._val_features[own_share], labels, labels, 1.0, len(labels))


def without_mixing(recipe: Recipe) -> Recipe:
    """The recipe without mixup and CutMix, because a feature belongs to one image."""
    return dataclasses.replace(recipe, augment=dataclasses.replace(recipe.augment, mixup=0.0, cutmix=0.0))


def pca_axes(images: ImageSet, recipe: Recipe) -> ColorAxes | None:
    """The principal axes of the images' colors, or None if the recipe does not need them."""
    return color_axes(images, recipe.preprocess) if recipe.augment.pca_color else None


def _center_crop_features(
    body: nn.Module, images: ImageSet, *, recipe: Recipe, workers: int, process: TrainingProcess
) -> Tensor:
    """Features of the center crops: float32 (images, features), in order."""
    if len(images) < process.world:
        process = TrainingProcess()  # every process computes all of them
    batches = evaluation_batches(
        images, recipe.preprocess, batch_size=_EVALUATION_BATCH, workers=workers, process=process
    )
    indexes = process.share(np.arange(len(images)))
    return _gathered_features(body, batches, indexes=indexes, count=len(images), process=process)


def _augmented_features(
    body: nn.Module, images: ImageSet, *, recipe: Recipe, copy: int, workers: int, process: TrainingProcess
) -> Tensor:
    """Features of one augmented copy of each image: float32 (images, features), in order."""
    recipe = without_mixing(recipe)
    axes = pca_axes(images, recipe)
    batches = training_batches(images, recipe, epoch=copy, workers=workers, axes=axes, process=process)
    indexes = np.concatenate([process.share(step) for step in epoch_order(len(images), recipe, copy)])
    return _gathered_features(body, batches, indexes=indexes, count=len(images), process=process)


@torch.no_grad()
def _gathered_features(
    body: nn.Module, batches: Iterable[Batch], *, indexes: npt.NDArray[np.int64], count: int, process: TrainingProcess
) -> Tensor:
    """Features of all images: float32 (count, features); this process computes those of the images `indexes`."""
    device = next(body.parameters()).device
    body.eval()
    # Moved off the device batch by batch: the features of a large set would fill its memory.
    features = torch.cat([body(batch.inputs.to(device)).cpu() for batch in batches])
    rows = features.new_zeros(count, *features.shape[1:]).index_copy_(0, torch.from_numpy(indexes), features)
    if process.world == 1:
        return rows
    # Every row is zero in all processes but one, so the sum is exact. nccl only adds on the device.
    return process.total(rows.to(device)).cpu()
