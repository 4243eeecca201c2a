"""Sources of batches for training: pixels of images, or features that a frozen backbone computed once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edgekit.dataset import ImageSet
from edgekit.stages import StageProgress, no_progress
from edgekit.train.augmentations.color import ColorAxes, color_axes
from edgekit.train.balance import sampling_weights
from edgekit.train.distributed import TrainingProcess
from edgekit.train.epoch_order import epoch_order, shard_numbers
from edgekit.train.loader import Batch, WorkerPool, evaluation_batches, targets, training_batches
from edgekit.train.recipe import Recipe
from edgekit.train.teacher import Teacher
from edgekit.zoo.network import Network, PixelNetwork

_EVALUATION_BATCH = 64


class Feed(Protocol):
    """A source of batches from one training set and one validation set."""

    def training(self, epoch: int, first_step: int) -> Iterator[Batch]:
        """The batches of an epoch, starting at step `first_step`."""

    def evaluation(self) -> Iterator[Batch]:
        """The batches of this process's share of the validation set."""

    def close(self) -> None:
        """End the processes that prepare images. There are no more batches after it."""


class ImageFeed:
    """Augmented images, prepared anew for every epoch.

    Args:
        training: images to train on.
        validation: images to evaluate on.
        recipe: the recipe; its preprocessing and augmentation matter.
        workers: number of processes that prepare images; 0 prepares them in this process.
        process: this process's share of the images.
        teacher: whose predictions are learned as well.
    """

    def __init__(
        self,
        training: ImageSet,
        validation: ImageSet,
        recipe: Recipe,
        *,
        workers: int,
        process: TrainingProcess,
        teacher: Teacher | None = None,
    ) -> None:
        self._training, self._validation, self._recipe = training, validation, recipe
        self._workers, self._process, self._teacher = workers, process, teacher
        self._axes = pca_axes(training, recipe)
        self._weights = sampling_weights(training, recipe)
        self._training_pool, self._evaluation_pool = WorkerPool(), WorkerPool()

    def training(self, epoch: int, first_step: int) -> Iterator[Batch]:
        return training_batches(
            self._training,
            self._recipe,
            epoch=epoch,
            first_step=first_step,
            workers=self._workers,
            axes=self._axes,
            process=self._process,
            weights=self._weights,
            teacher=self._teacher,
            pool=self._training_pool,
        )

    def evaluation(self) -> Iterator[Batch]:
        return evaluation_batches(
            self._validation,
            self._recipe.preprocess,
            batch_size=_EVALUATION_BATCH,
            workers=self._workers,
            process=self._process,
            pool=self._evaluation_pool,
        )

    def close(self) -> None:
        self._training_pool.close()
        self._evaluation_pool.close()


class FeatureFeed:
    """Features of every image, computed in one pass over the images, so that an epoch takes milliseconds.

    With `augment.feature_copies`, that many passes over augmented images are made, and each epoch uses the next copy.
    If the head is solved for, they are added to the plain images and, if the recipe mirrors, the mirrored ones.

    Args:
        network: the network, whose body computes the features.
        training: images to train on.
        validation: images to evaluate on.
        recipe: the recipe; its preprocessing and augmentation matter.
        workers: number of processes that prepare images; 0 prepares them in this process.
        process: this process's share of the images.
        teacher: whose predictions are learned as well.
        on_stage: called after each batch: stage, finished images, all images.

    Attributes:
        copies: float32 (images, features) features of the training images, of each kind of copy; if the head is solved
            for, those of the images themselves come first.
        labels: those of the training images, as in `Batch`.

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
        teacher: Teacher | None = None,
        on_stage: StageProgress = no_progress,
    ) -> None:
        self._recipe, self._process, self._teacher = recipe, process, teacher
        self._weights = sampling_weights(training, recipe)
        self.labels, self._val_labels = (torch.from_numpy(targets(images)) for images in (training, validation))
        features = _FeaturePass(_features_of(network, recipe), recipe, workers, process, on_stage)
        augmented = [features.augmented(training, copy=copy) for copy in range(recipe.augment.feature_copies)]
        if recipe.solver == "lbfgs":
            self.copies = [*features.center_crops(training, name="train", mirrored=recipe.augment.mirror), *augmented]
        else:
            self.copies = augmented or [*features.center_crops(training, name="train")]
        (self._val_features,) = features.center_crops(validation, name="val")

    def training(self, epoch: int, first_step: int) -> Iterator[Batch]:
        features = self.copies[epoch % len(self.copies)]
        for step in epoch_order(len(features), self._recipe, epoch, weights=self._weights)[first_step:]:
            indexes = torch.from_numpy(self._process.share(step))
            labels, soft_targets = (
                self.labels[indexes],
                (self._teacher.targets(indexes, indexes, 1.0) if self._teacher else None),
            )
            yield Batch(features[indexes], labels, labels, 1.0, len(step), soft_targets)

    def evaluation(self) -> Iterator[Batch]:
        own_share = slice(self._process.rank, None, self._process.world)
        labels = self._val_labels[own_share]
        yield Batch(self._val_features[own_share], labels, labels, 1.0, len(labels))

    def close(self) -> None:
        """The processes have ended: all images were prepared at the start."""


def head_features(
    network: Network,
    training: ImageSet,
    recipe: Recipe,
    *,
    workers: int,
    process: TrainingProcess,
    on_stage: StageProgress = no_progress,
) -> tuple[Tensor, ...]:
    """Features to solve for a head by: of the training images, and of their mirror images if the recipe mirrors.

    Args:
        network: the network, whose body computes the features.
        training: images to train on.
        recipe: the recipe; its preprocessing and `augment.mirror` matter.
        workers: number of processes that prepare images; 0 prepares them in this process.
        process: this process's share of the images.
        on_stage: called after each batch: stage, finished images, all images.

    Returns:
        float32 (images, features) for each.

    Raises:
        ImageError: an image cannot be read.
    """
    features = _FeaturePass(_features_of(network, recipe), recipe, workers, process, on_stage)
    return features.center_crops(training, name="train", mirrored=recipe.augment.mirror)


def without_mixing(recipe: Recipe) -> Recipe:
    """The recipe without mixup and CutMix, because a feature belongs to one image."""
    return dataclasses.replace(recipe, augment=dataclasses.replace(recipe.augment, mixup=0.0, cutmix=0.0))


def pca_axes(images: ImageSet, recipe: Recipe) -> ColorAxes | None:
    """The principal axes of the images' colors, or None if the recipe does not need them."""
    return color_axes(images, recipe.preprocess) if recipe.augment.pca_color else None


def counted_batches(batches: Iterable[Batch], stage: str, images: int, *, on_stage: StageProgress) -> Iterator[Batch]:
    """The same batches; after each, progress is reported.

    Args:
        batches: batches of a pass over images.
        stage: name of the pass.
        images: number of images in all batches together.
        on_stage: called with the stage, the number of finished images and that of all images.
    """
    done = 0
    on_stage(stage, done, images)
    for batch in batches:
        yield batch
        done += len(batch.labels)
        on_stage(stage, done, images)


def _features_of(network: Network, recipe: Recipe) -> nn.Module:
    """The body of a network, on pixels."""
    body = PixelNetwork(network.body, mean=recipe.preprocess.mean, std=recipe.preprocess.std)
    return body.to(next(network.parameters()).device)


class _FeaturePass(NamedTuple):
    """Computes the features of all images with the frozen body."""

    body: nn.Module
    recipe: Recipe
    workers: int
    process: TrainingProcess
    on_stage: StageProgress

    def center_crops(self, images: ImageSet, *, name: str, mirrored: bool = False) -> tuple[Tensor, ...]:
        """Features of the center crops, and of their mirror images if wanted: each float32 (images, features)."""
        # If there are fewer images than processes, every process computes all of them.
        process = TrainingProcess() if len(images) < self.process.world else self.process
        batches = evaluation_batches(
            images, self.recipe.preprocess, batch_size=_EVALUATION_BATCH, workers=self.workers, process=process
        )
        indexes = process.share(np.arange(len(images)))
        batches = counted_batches(batches, f"features of {name} images", len(indexes), on_stage=self.on_stage)
        body = _BothSides(self.body) if mirrored else self.body
        features = _gathered_features(body, batches, indexes=indexes, count=len(images), process=process)
        return features.unbind(1) if mirrored else (features,)

    def augmented(self, images: ImageSet, *, copy: int) -> Tensor:
        """Features of one augmented copy of each training image: float32 (images, features), in order."""
        recipe, process = without_mixing(self.recipe), self.process
        axes = pca_axes(images, recipe)
        batches = training_batches(images, recipe, epoch=copy, workers=self.workers, axes=axes, process=process)
        steps = epoch_order(len(images), recipe, copy, shards=shard_numbers(images), world=process.world)
        indexes = np.concatenate([process.share(step) for step in steps])
        stage = f"features of train images, copy {copy + 1} of {recipe.augment.feature_copies}"
        batches = counted_batches(batches, stage, len(indexes), on_stage=self.on_stage)
        return _gathered_features(self.body, batches, indexes=indexes, count=len(images), process=process)


class _BothSides(nn.Module):
    """Features of images and of their mirror images, which need no second decoding: float32 (N, 2, features)."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.stack([self.body(pixels), self.body(pixels.flip(2))], 1)


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
