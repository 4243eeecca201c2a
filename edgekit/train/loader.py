"""Batches of pixels from an image set, prepared in worker processes while the network trains."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from edgekit.dataset import ImageSet
from edgekit.errors import ImageError
from edgekit.image.load import load_image
from edgekit.image.source import Pixels
from edgekit.preprocess.spec import Preprocess
from edgekit.train.allocator import keep_freed_memory, return_freed_memory
from edgekit.train.augmentations.augment import augmented
from edgekit.train.augmentations.color import ColorAxes
from edgekit.train.augmentations.mixing import MixedBatch, mixed
from edgekit.train.distributed import TrainingProcess
from edgekit.train.epoch_order import epoch_order, shard_numbers
from edgekit.train.recipe import Recipe
from edgekit.train.shard_copies import NoCopies, ShardCopies, local_copies
from edgekit.train.teacher import SoftTargets, Teacher

_PREFETCHED = 2  # steps that each worker prepares ahead
_EVALUATED_SHARDS = 4  # copied ahead of an evaluation, which reads one after the other
# (epoch, index), or (epoch, index, 1 + n) if the epoch has drawn the image n times before: all that a worker needs, so
# it keeps no state.
_Key: TypeAlias = tuple[int, ...]


class Batch(NamedTuple):
    """The inputs and labels of one step in one process.

    Attributes:
        inputs: uint8 (N, height, width, channels) pixels, or float32 (N, features).
        labels: int64 (N,) class indexes; of multi-label images float32 (N, classes), 1 for each label of an image.
        partner_labels: the same of the images mixed in with weight 1 - share.
        share: weight of `labels`, 0 to 1; 1 without mixing.
        step_size: number of images of the step in all processes together.
        soft_targets: what a teacher says about the images; None without one.
    """

    inputs: Tensor
    labels: Tensor
    partner_labels: Tensor
    share: float
    step_size: int
    soft_targets: SoftTargets | None = None


def targets(images: ImageSet) -> npt.NDArray[Any]:
    """The labels of all images, as in `Batch.labels`."""
    truth = images.truth()
    return truth if truth.ndim == 1 else truth.astype(np.float32)


def training_batches(
    images: ImageSet,
    recipe: Recipe,
    *,
    epoch: int,
    workers: int,
    axes: ColorAxes | None = None,
    first_step: int = 0,
    process: TrainingProcess = TrainingProcess(),  # noqa: B008  (frozen)
    weights: npt.NDArray[np.float64] | None = None,
    teacher: Teacher | None = None,
    pool: WorkerPool | None = None,
) -> Iterator[Batch]:
    """Iterate over the augmented batches of one epoch in random order.

    Order and augmentation depend only on (seed, epoch, index), not on the number of workers. An image that is drawn
    several times is augmented anew each time.

    Args:
        images: images to train on.
        recipe: the recipe; its seed, batch size, preprocessing and augmentation matter.
        epoch: number of the epoch, from 0.
        workers: number of processes that prepare images; 0 prepares them in this process.
        axes: principal axes of the training images' colors, for `pca_color`.
        first_step: step to start at.
        process: this process, which gets its share of every step.
        weights: how often each image is drawn on average, as for `epoch_order`.
        teacher: whose predictions are learned as well.
        pool: of the processes, which the next epoch uses as well; by default they end with this one.

    Raises:
        ImageError: an image cannot be read.
    """
    shards = shard_numbers(images)
    steps = epoch_order(len(images), recipe, epoch, weights=weights, shards=shards, world=process.world)
    keys = [step[process.rank :: process.world] for step in _keys(steps, epoch)][first_step:]
    with local_copies(images, shards, most=2 * recipe.optimize.shuffle_shards) as copies:
        batches = _batches(_AugmentedImages(copies.images, recipe, axes), keys, workers, copies, pool)
        labels = torch.from_numpy(targets(images))
        for step, (pixels, indexes, partners, share) in zip(steps[first_step:], batches, strict=True):
            soft_targets = teacher.targets(indexes, partners, share) if teacher else None
            yield Batch(pixels, labels[indexes], labels[partners], share, len(step), soft_targets)


def _keys(steps: list[npt.NDArray[np.int64]], epoch: int) -> list[list[_Key]]:
    """The key of every image of every step."""
    drawn: Counter[int] = Counter()
    keys: list[list[_Key]] = []
    for step in steps:
        keys.append([])
        for index in step.tolist():
            keys[-1].append((epoch, index, 1 + drawn[index]) if index in drawn else (epoch, index))
            drawn[index] += 1
    return keys


def evaluation_batches(
    images: ImageSet,
    preprocess: Preprocess,
    *,
    batch_size: int,
    workers: int,
    process: TrainingProcess = TrainingProcess(),  # noqa: B008  (frozen)
    pool: WorkerPool | None = None,
) -> Iterator[Batch]:
    """Iterate over the center crops of this process's share of the images, in order.

    Args:
        images: images to evaluate on.
        preprocess: how an image becomes the network's input.
        batch_size: number of images in a batch.
        workers: number of processes that prepare images; 0 prepares them in this process.
        process: this process, which gets its share of the images.
        pool: of the processes, as for `training_batches`.

    Raises:
        ImageError: an image cannot be read.
    """
    own = process.share(np.arange(len(images))).tolist()
    keys: list[list[_Key]] = [
        [(0, index) for index in own[start : start + batch_size]] for start in range(0, len(own), batch_size)
    ]
    with local_copies(images, shard_numbers(images), most=_EVALUATED_SHARDS) as copies:
        labels = torch.from_numpy(targets(images))
        for pixels, indexes, _, share in _batches(_CenterCrops(copies.images, preprocess), keys, workers, copies, pool):
            yield Batch(pixels, labels[indexes], labels[indexes], share, len(indexes))


class _AugmentedImages(Dataset[MixedBatch]):
    def __init__(self, images: ImageSet, recipe: Recipe, axes: ColorAxes | None) -> None:
        self.images, self.recipe, self.axes = images, recipe, axes

    def __getitems__(self, keys: list[_Key]) -> MixedBatch | ImageError:
        try:
            pixels = np.stack([self._pixels(key) for key in keys])
        except ImageError as error:
            return error
        indexes = np.array([index for _, index, *_ in keys])
        return mixed(pixels, indexes, self.recipe.augment, np.random.default_rng((self.recipe.seed, *keys[0], 1)))

    def _pixels(self, key: _Key) -> Pixels:
        recipe, (epoch, index, *_) = self.recipe, key
        rng = np.random.default_rng((recipe.seed, *key))
        image = load_image(self.images.sources[index], color=recipe.preprocess.color)
        progress = epoch / recipe.optimize.epochs
        return augmented(image, recipe.preprocess, recipe.augment, progress=progress, rng=rng, axes=self.axes)


class _CenterCrops(Dataset[MixedBatch]):
    def __init__(self, images: ImageSet, preprocess: Preprocess) -> None:
        self.images, self.preprocess = images, preprocess

    def __getitems__(self, keys: list[_Key]) -> MixedBatch | ImageError:
        try:
            pixels = np.stack([self._pixels(index) for _, index, *_ in keys])
        except ImageError as error:
            return error
        indexes = torch.tensor([index for _, index, *_ in keys])
        return torch.from_numpy(pixels), indexes, indexes, 1.0

    def _pixels(self, index: int) -> Pixels:
        image = load_image(self.images.sources[index], color=self.preprocess.color)
        pixels: Pixels = self.preprocess.pixels(image)[0]
        return pixels


class WorkerPool:
    """The processes that prepare images. They stay from one pass over the same images to the next.

    Starting them anew would cost each epoch the memory that its last step has freed: see `return_freed_memory`.
    """

    def __init__(self) -> None:
        self._steps = _Steps()
        self._images: ImageSet | None = None
        self._loader: DataLoader[MixedBatch] | None = None

    def batches(
        self, dataset: _AugmentedImages | _CenterCrops, steps: Iterable[list[_Key]], *, workers: int
    ) -> Iterator[MixedBatch]:
        """Iterate over the data set's batch for each list of keys, in order.

        Args:
            dataset: the images; of one kind in all calls.
            steps: the keys of each step, taken when a process is given the step.
            workers: number of processes; 0 prepares images in this process.

        Raises:
            ImageError: an image cannot be read. A process returns it instead of raising it, which would add the
                process's traceback to its message.
        """
        if self._loader is None or self._images is not dataset.images or self._loader.num_workers != workers:
            self._loader, self._images = self._started(dataset, workers), dataset.images
        self._steps.keys = steps
        for batch in self._loader:
            if isinstance(batch, ImageError):
                raise batch
            yield batch

    def close(self) -> None:
        """End the processes.

        Left to the garbage collector, which also destroys the queues to them, in any order, they would not hear of the
        end, and it would wait five seconds for each.
        """
        self._loader = self._images = None

    def _started(self, dataset: Dataset[MixedBatch], workers: int) -> DataLoader[MixedBatch]:
        if workers:
            return_freed_memory()
        return DataLoader(
            dataset,
            batch_sampler=self._steps,
            num_workers=workers,
            prefetch_factor=_PREFETCHED if workers else None,
            persistent_workers=workers > 0,
            collate_fn=_identity,
            worker_init_fn=partial(_start_worker, os.getpid()),
            generator=torch.Generator(),  # its own, so that loading draws nothing from the global generator
        )


class _Steps:
    """The keys of each step of the pass that begins next."""

    def __init__(self) -> None:
        self.keys: Iterable[list[_Key]] = ()

    def __iter__(self) -> Iterator[list[_Key]]:
        return iter(self.keys)


def _batches(
    dataset: _AugmentedImages | _CenterCrops,
    keys: list[list[_Key]],
    workers: int,
    copies: ShardCopies | NoCopies,
    pool: WorkerPool | None,
) -> Iterator[MixedBatch]:
    """The batch of each list of keys. Before a process is given a step, the shards that it reads are copied."""
    workers = min(workers, len(keys))
    steps = [[index for _, index, *_ in step] for step in keys]
    upcoming = copies.before_each(keys, steps, unfinished=_PREFETCHED * workers)
    yield from (pool or WorkerPool()).batches(dataset, upcoming, workers=workers)


def _start_worker(parent: int, worker: int) -> None:
    """Called in a worker. One that is started anew, not forked, has no settings of the allocator yet.

    torch's workers end with the process whose child they are when they begin to look, and so would outlive one that
    was killed before that.
    """
    if os.getppid() != parent:
        os._exit(1)
    sys.excepthook = _report_in_worker
    keep_freed_memory()


def _report_in_worker(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an exception that nothing handled, unless it only says that the parent process has hung up.

    The thread that hands batches over reports so. The parent hangs up when it ends early, with a message of its own.
    """
    if not isinstance(error, EOFError | ConnectionError):
        sys.__excepthook__(kind, error, trace)


def _identity(batch: Any) -> Any:
    """Return the batch as it is; a module-level function, because worker processes may have to pickle it."""
    return batch
