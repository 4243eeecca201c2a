"""What every engine does, here or on a cluster: shards in, parts out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import groupby, tee
from typing import Any, NamedTuple, Protocol, TypeAlias

from edgekit.bulk.hashed_file import HashedFile
from edgekit.bulk.job import PARQUET, Job
from edgekit.bulk.job_shards import JobRecord, JobShard
from edgekit.bulk.jsonl_output import JsonLinesPart
from edgekit.bulk.manifest import ShardResult
from edgekit.bulk.parquet_output import ParquetPart, parquet_schema
from edgekit.errors import DataError, ImageError
from edgekit.runtime.prediction import Prediction
from edgekit.runtime.predictor import Predictor
from edgekit.shards import open_store
from edgekit.shards.stores import join

# Called after each image with its size in its shard, 0 for a file, and whether it failed.
OnImage: TypeAlias = Callable[[int, bool], None]
# Predicts the shards of a job, and yields their results in any order, each when its part is written.
Engine: TypeAlias = Callable[[Job, Sequence[JobShard], OnImage], Generator[ShardResult, None, None]]


def predict_shards(
    job: Job,
    shards: Iterable[JobShard],
    on_image: OnImage = lambda size_bytes, failed: None,
    *,
    predictor: Predictor,
    workers: int | None = None,
) -> Generator[ShardResult, None, None]:
    """Predict shards as one stream of images, and write the part of each as soon as its last image is predicted.

    A part is complete or not there, and the same shard always has the same part, byte for byte. At most 8 images for
    each worker are in memory. An image that cannot be read is a record with its error.

    Args:
        job: the job.
        shards: those to predict, in this order.
        on_image: called after each image with its size in its shard, 0 for a file, and whether it failed.
        predictor: from `Job.open_predictor`.
        workers: number of images in work at a time; by default the number of threads that this process may use.

    Yields:
        A result for each shard. One with an `error` belongs to a shard that could not be read, which has no part.

    Raises:
        EdgekitError: a part cannot be written.
        MissingDependency: the parts are Parquet, and pyarrow is not installed.
    """
    written, predicted = tee(_items(job, shards))
    new_part = _part_writer(job, predictor)
    with closing(job.predict_many(predictor, (item.record.source for item in predicted), workers=workers)) as results:
        for shard, outcomes in groupby(zip(written, results, strict=True), key=lambda outcome: outcome[0].shard):
            yield _write_part(job, shard, outcomes, new_part, on_image)


class ShardPredictor:
    """Predicts one shard after another, for workers that get them one by one. Open it once in each worker.

    Args:
        job: the job.
        workers: number of images in work at a time.
    """

    def __init__(self, job: Job, *, workers: int | None = 1) -> None:
        self._job, self._workers, self._predictor = job, workers, job.open_predictor()

    def predict(self, shard: JobShard) -> ShardResult:
        """Predict a shard and write its part, as `predict_shards` does.

        Args:
            shard: one of the job's.
        """
        (result,) = predict_shards(self._job, [shard], predictor=self._predictor, workers=self._workers)
        return result

    def close(self) -> None:
        """Release memory and threads."""
        self._predictor.close()


class _Item(NamedTuple):
    """An image of a shard, or its end: a record without a path, whose error is why the shard cannot be read further."""

    shard: JobShard
    record: JobRecord


class _Part(Protocol):
    def write(self, record: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


class _Unreadable(Exception):  # noqa: N818  (the name says what happened)
    """A shard cannot be read to its end."""


_END = "end of the shard"


def _items(job: Job, shards: Iterable[JobShard]) -> Iterator[_Item]:
    """The images of all shards, each followed by its end."""
    for shard in shards:
        error = ImageError(_END)
        try:
            for record in shard.records(job):
                yield _Item(shard, record)
        except DataError as reason:
            error = ImageError(str(reason))
        yield _Item(shard, JobRecord(None, error))


def _write_part(
    job: Job,
    shard: JobShard,
    outcomes: Iterable[tuple[_Item, Prediction | ImageError]],
    new_part: Callable[[HashedFile], _Part],
    on_image: OnImage,
) -> ShardResult:
    """Write the part of a shard: up to its end, and none if the shard cannot be read so far."""
    rows = failed = 0
    try:
        with open_store(job.output).writing(join(job.output, shard.part_name(job))) as file:
            hashed = HashedFile(file)
            part = new_part(hashed)
            for item, result in outcomes:
                record = item.record
                if record.path is None:
                    if str(result) != _END:
                        raise _Unreadable(str(result))
                    break
                part.write(job.record(record.path, result, shard=shard.path))
                is_failure = isinstance(result, ImageError)
                rows, failed = rows + 1, failed + is_failure
                on_image(record.size_bytes, is_failure)
            part.close()
    except _Unreadable as error:
        return ShardResult(shard.number, error=str(error))
    return ShardResult(shard.number, rows, failed, hashed.size_bytes, hashed.sha256)


def _part_writer(job: Job, predictor: Predictor) -> Callable[[HashedFile], _Part]:
    if job.format != PARQUET:
        return JsonLinesPart
    schema = parquet_schema(job, is_multi_label=predictor.scoring.is_multi_label)
    return lambda file: ParquetPart(file, schema)
