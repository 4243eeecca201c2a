"""The driver of a job, whichever engine predicts: plan, lock, manifest, resume, totals."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

from edgekit.bulk.job import Job
from edgekit.bulk.job_shards import DEFAULT_SHARD_SIZE, IMAGE_LIST, Plan, plan_shards
from edgekit.bulk.manifest import DOCUMENTS, Manifest, locked, new_document
from edgekit.bulk.predict_shards import Engine
from edgekit.bulk.progress import OnProgress, ProgressCounter
from edgekit.errors import DataError, listed
from edgekit.files import remove_abandoned
from edgekit.shards import open_store
from edgekit.shards.stores import StoredFile, join, local_path, shown, split_query

_WITHOUT_PARTS = (*DOCUMENTS, IMAGE_LIST)  # what a job leaves that has no part yet


class JobTotals(NamedTuple):
    """What a job has come to.

    Attributes:
        shards: number of shards.
        images: number of images in the finished ones.
        failed: number of those that could not be predicted.
        unreadable: why shards could not be read, in one line for each; they have no parts, and a rerun tries again.
    """

    shards: int
    images: int
    failed: int
    unreadable: tuple[str, ...]


def run_job(
    job: Job,
    *,
    engine: Engine,
    shard_size: int | None = None,
    on_progress: OnProgress = lambda progress: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> JobTotals:
    """Predict all images of the sources that the output does not have yet.

    Args:
        job: the job.
        engine: what predicts the shards; `predict_shards` with its predictor does it here.
        shard_size: number of image files in a part; by default that of the job that is continued, or 1,000.
        on_progress: called after each image, or each shard if the engine reports no images.
        on_note: called with what is done and what is already there.

    Raises:
        DataError: a source has no images, or is not what it was when the job was started; or the output belongs to
            another job, or another process works on it.
        EdgekitError: the output cannot be written.
    """
    with locked(job.output):
        plan, manifest = _planned(job, shard_size)
        _drop_damaged(job, plan, manifest, on_note)
        to_do = [shard for shard in plan.shards if shard.number not in manifest.parts]
        on_note(_state(plan, manifest))
        counter, unreadable = ProgressCounter(to_do, on_progress), []
        try:
            with closing(engine(job, to_do, counter.count_image)) as results:
                for result in results:
                    counter.count_shard(result)
                    if result.error:
                        unreadable.append(result.error)
                    else:
                        manifest.add(result)
        finally:
            manifest.write()
            if folder := local_path(job.output):
                remove_abandoned(folder)  # of parts whose workers were killed
    absent = len(plan.shards) - len(manifest.parts) - len(unreadable)
    if absent:
        raise DataError(
            f"{job.shown_output}: the engine ended without the results of {absent} shards; run the command again"
        )
    parts = manifest.parts.values()
    totals = (sum(part.rows for part in parts), sum(part.failed for part in parts))
    return JobTotals(len(plan.shards), *totals, tuple(unreadable))


def _planned(job: Job, shard_size: int | None) -> tuple[Plan, Manifest]:
    """The shards and the manifest: that of the job which is continued, or a new one if the output has no part."""
    manifest = Manifest.read(job)
    if manifest is None:
        if others := _other_files(job):
            raise DataError(
                f"{job.shown_output}: has files, but no manifest of a job: {listed(others, most=3)}; choose another "
                f"output"
            )
        return _started(job, shard_size or DEFAULT_SHARD_SIZE)
    if not manifest.parts and not _other_files(job):
        return _started(job, shard_size or manifest.document["shard_size"])
    manifest.check_settings(job.settings())
    size = manifest.document["shard_size"]
    if shard_size not in (None, size):
        raise DataError(
            f"{job.shown_output}: was started with `shard_size` {size}; leave it out or choose another output"
        )
    plan = plan_shards(job, shard_size=size)
    manifest.update_plan(plan.describe())
    return plan, manifest


def _other_files(job: Job) -> list[str]:
    """The files in the output that a job without any part does not have."""
    return [shown(f.path) for f in open_store(job.output).files(job.output) if _name(f) not in _WITHOUT_PARTS]


def _started(job: Job, shard_size: int) -> tuple[Plan, Manifest]:
    with open_store(job.output).writing(join(job.output, IMAGE_LIST)) as file:
        plan = plan_shards(job, shard_size=shard_size, write=file.write)
    manifest = Manifest(job, new_document(job, shard_size=shard_size, plan=plan.describe()))
    manifest.write()
    return plan, manifest


def _drop_damaged(job: Job, plan: Plan, manifest: Manifest, on_note: Callable[[str], None]) -> None:
    """Forget finished shards whose parts are gone or have another size, so that they are predicted again."""
    sizes = (
        {_name(file): file.size_bytes for file in open_store(job.output).files(job.output)} if manifest.parts else {}
    )
    names = {shard.number: shard.part_name(job) for shard in plan.shards}
    damaged = [number for number, part in manifest.parts.items() if sizes.get(names[number]) != part.size_bytes]
    for number in damaged:
        del manifest.parts[number]
    if damaged:
        on_note(f"{len(damaged)} parts are missing or changed, such as {names[damaged[0]]}; predicting them again")


def _name(file: StoredFile) -> str:
    """The last part of the path of a file in a store."""
    return split_query(file.path)[0].replace("\\", "/").rpartition("/")[2]


def _state(plan: Plan, manifest: Manifest) -> str:
    shards, finished = len(plan.shards), len(manifest.parts)
    if not finished:
        images = sum(shard.images or 0 for shard in plan.shards)
        return f"{shards} shards" + (f", {images} image files" if images else "")
    return f"{finished} of {shards} shards are finished"
