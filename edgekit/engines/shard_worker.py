"""What a worker of an engine does: it predicts a shard of a job and writes its part, as the local engine does."""

from __future__ import annotations

import os
from functools import lru_cache

from edgekit.bulk.job import Job
from edgekit.bulk.job_shards import ImageRange, JobShard
from edgekit.bulk.manifest import ShardResult
from edgekit.bulk.predict_shards import ShardPredictor
from edgekit.errors import DataError
from edgekit.shards.stores import is_uri


def predict_shard(job: Job, shard: JobShard, folder: str) -> ShardResult:
    """Predict a shard and write its part.

    Args:
        job: a portable one, as workers may be on other machines. Its models stay open for the next shard of the job.
        shard: one of the job's.
        folder: where relative paths begin: the current folder of the driver.

    Raises:
        DataError: the paths are relative, and this machine does not have the folder.
        EdgekitError: a model is refused, or the part cannot be written.
    """
    _enter(folder, is_needed=_has_relative_paths(job, shard))
    return _opened(job).predict(shard)


@lru_cache(maxsize=1)
def _opened(job: Job) -> ShardPredictor:
    return ShardPredictor(job)


def _enter(folder: str, *, is_needed: bool) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        if is_needed:
            raise DataError(
                f"{folder}: a worker on {os.uname().nodename} cannot enter the driver's folder: {error.strerror}; "
                "use absolute paths of folders that all machines share, or the URI of an object store"
            ) from None


def _has_relative_paths(job: Job, shard: JobShard) -> bool:
    """Whether a path of the job may be relative; those in a list of images are not looked up."""
    paths = [job.output, shard.path or ""]
    return isinstance(shard.source, ImageRange) or any(not (is_uri(path) or os.path.isabs(path)) for path in paths)  # noqa: PTH117
