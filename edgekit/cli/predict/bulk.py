"""`edgekit predict SOURCE --output FOLDER`: any number of images, from files or shards into part files."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from edgekit.bulk.job import Job, JobModel
from edgekit.bulk.predict_shards import Engine, predict_shards
from edgekit.bulk.run_job import JobTotals, run_job
from edgekit.cli.interruption import interrupts_acknowledged, this_command
from edgekit.cli.named_models import ready_model
from edgekit.cli.predict.options import Options
from edgekit.cli.predict.output import message_of
from edgekit.cli.predict.run import arguments, image_limits, model_weights, open_predictor
from edgekit.cli.progress import image_progress
from edgekit.cli.render import write_message
from edgekit.errors import EXIT_SOME_FAILED, DataError, SpecError, unknown
from edgekit.hub.web_image import DEFAULT_TIMEOUT_S
from edgekit.runtime.image_sources import STDIN
from edgekit.shards import ShardLayout

if TYPE_CHECKING:
    from edgekit.bulk.progress import JobProgress
    from edgekit.runtime.predictor import Predictor

_LOCAL = "local"


def predict_in_bulk(options: Options) -> None:
    """Predict what the output lacks. Ends the process with exit status 3 if images of the job could not be read.

    Args:
        options: with at least one model.

    Raises:
        DataError: shards could not be read; all others are predicted.
    """
    if STDIN in options.images:
        raise SpecError(f"--output needs images that can be read again; {STDIN} is only read once")
    job = _job(options)
    with (
        interrupts_acknowledged(lambda: f"to continue: {this_command()}"),
        open_predictor(options, threads=1) as predictor,
        image_progress() as show,
    ):

        def on_progress(state: JobProgress) -> None:
            failed = f", {state.failed} failed" if state.failed else ""
            show(state.images, state.total, f"{state.images_per_s:.1f}/s{failed}")

        totals = run_job(
            job,
            engine=_engine(options, predictor),
            shard_size=options.shard_size,
            on_progress=on_progress,
            on_note=lambda note: write_message(f"{job.shown_output}: {note}"),
        )
    _report(job, totals)


def _job(options: Options) -> Job:
    """What the options ask for. Raises SpecError and ArtifactError for what is not possible."""
    return Job(
        models=tuple(JobModel.read(model, ready_model(model)) for model in options.model),
        sources=options.images,
        lists=() if options.list is None else (options.list,),
        weights=model_weights(options),
        output=options.output or "",
        limits=image_limits(options),
        exact=options.exact,
        provider=options.provider,
        trusted=options.trusted,
        logits=options.logits,
        short_names=options.short_names,
        layout=ShardLayout(image_column=options.image_column, key_column=options.key_column),
        timeout_s=DEFAULT_TIMEOUT_S if options.timeout is None else options.timeout,
        message_of=message_of,
        **arguments(options, top=1),
    )


def _engine(options: Options, predictor: Predictor) -> Engine:
    """What predicts the shards: here the open predictor, on a cluster others, which each worker opens."""
    name = options.engine or _LOCAL
    if name == _LOCAL:
        if options.address is not None:
            raise SpecError("--address needs an --engine that runs on a cluster: ray or daft")
        return partial(predict_shards, predictor=predictor, workers=options.threads)
    if options.threads is not None:
        raise SpecError(f"--threads is of the local engine; {name} starts as many workers as its cluster has cores")
    predictor.close()
    if name == "ray":
        from edgekit.engines.ray import RayEngine  # here, like its package: most machines have neither

        return RayEngine(address=options.address)
    if name == "daft":
        from edgekit.engines.daft import DaftEngine

        return DaftEngine(address=options.address)
    raise SpecError(unknown("--engine", name, (_LOCAL, "ray", "daft")))


def _report(job: Job, totals: JobTotals) -> None:
    write_message(f"{job.shown_output}: {totals.images} images, {totals.failed} failed")
    if totals.unreadable:
        raise DataError(
            f"{job.shown_output}: {len(totals.unreadable)} of {totals.shards} shards cannot be read and have no part; "
            f"the same command tries them again: {totals.unreadable[0]}"
        )
    if totals.failed:
        sys.exit(EXIT_SOME_FAILED)
