"""How far a job is: the images of this run, their number in all, and their rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from edgekit.bulk.job_shards import JobShard
from edgekit.bulk.manifest import ShardResult

# Bytes of a shard that an image has besides its own: the headers of two members of a tar file, and what fills blocks.
_OVERHEAD_BYTES = 1500


class JobProgress(NamedTuple):
    """A state of this run of a job.

    Attributes:
        images: number of images that are predicted or have failed.
        total: number of images that this run has to predict: estimated from the sizes of input shards, whose numbers of
            images are only known when they are read; None if there is nothing to estimate from.
        failed: number of images that have failed.
        images_per_s: mean since the start of the run.
    """

    images: int
    total: int | None
    failed: int
    images_per_s: float


OnProgress: TypeAlias = Callable[[JobProgress], None]


class ProgressCounter:
    """Counts the images of the shards that are finished, and of those in work where an engine reports them.

    Args:
        shards: those that this run has to predict.
        report: called after each image and shard.
    """

    def __init__(self, shards: Sequence[JobShard], report: OnProgress) -> None:
        self._report, self._begin = report, time.monotonic()
        self._listed = sum(shard.images or 0 for shard in shards)
        self._sizes = {shard.number: shard.size_bytes for shard in shards if shard.images is None}
        self._all_bytes = sum(self._sizes.values())
        self._images = self._failed = 0  # of finished shards
        self._read_images = self._read_bytes = 0  # of finished input shards
        self._current_images = self._current_failed = self._current_bytes = 0  # of the shard in work

    def count_image(self, size_bytes: int, failed: bool) -> None:
        """Count an image of the shard whose result comes next.

        Args:
            size_bytes: its size in its shard; 0 for an image file.
            failed: whether it could not be predicted.
        """
        self._current_images += 1
        self._current_failed += failed
        self._current_bytes += size_bytes and size_bytes + _OVERHEAD_BYTES
        self._show()

    def count_shard(self, result: ShardResult) -> None:
        """Count a shard, in place of its images that were counted one by one.

        Args:
            result: of the shard.
        """
        self._current_images = self._current_failed = self._current_bytes = 0
        self._images += result.rows
        self._failed += result.failed
        if result.number in self._sizes:
            self._read_images += result.rows
            self._read_bytes += self._sizes[result.number]
        self._show()

    def _show(self) -> None:
        images = self._images + self._current_images
        seconds = time.monotonic() - self._begin
        rate = images / seconds if seconds else 0.0
        self._report(JobProgress(images, self._total(), self._failed + self._current_failed, rate))

    def _total(self) -> int | None:
        if not self._sizes:
            return self._listed
        unread = self._all_bytes - self._read_bytes
        if not unread:
            return self._listed + self._read_images
        read_bytes = self._read_bytes + self._current_bytes
        if not read_bytes:
            return None
        counted = self._read_images + (self._current_images if self._current_bytes else 0)
        return self._listed + self._read_images + round(unread * counted / read_bytes)
