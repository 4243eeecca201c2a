"""Bulk prediction on Ray: a class for `Dataset.map_batches`, the actors that a cluster has room for, and an engine.

Why actors can stop a pipeline: a task of Ray Data (a read, a repartition) needs one CPU while it runs, and an actor
keeps its CPUs as long as it lives. Ray Data starts the smallest number of actors of a pool before any task, whatever
its budgets, which only limit growth. `concurrency=2` is a pool of exactly two: two actors of one CPU each hold both
CPUs of a machine and wait for rows, while the task that would read the rows waits for a CPU. Without a task before the
actors, as after `from_items`, the same pool works.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

from edgekit.bulk.manifest import ShardResult
from edgekit.engines.packages import import_engine
from edgekit.engines.ray_cluster import connected, node_cpus
from edgekit.engines.tables import Batch, TablePredictor
from edgekit.errors import EdgekitError, SpecError, must_be

if TYPE_CHECKING:
    from edgekit.bulk.job import Job
    from edgekit.bulk.job_shards import JobShard
    from edgekit.bulk.predict_shards import OnImage

_REQUIREMENT = "ray[data]"
_CPU_UNITS = 10_000  # Ray counts CPUs in these
_BATCH_ROWS = 32  # images: about 3 MB of photos, and half a second of work that is lost with an actor
# Times that a shard is tried again after the death of its worker, which may well be the shard's own doing.
_RETRIES = 4
# Tasks in flight for each CPU: one that runs, and one whose arguments are there when it ends.
_AHEAD = 2


class Predictor(TablePredictor):
    """Predicts the images in a column of a dataset, in the actors of `Dataset.map_batches`.

    Adds the columns `label`, `probability`, `top` (list of {label, index, probability}), of multi-label models also
    `labels`, and `error`: why the image could not be predicted, whose other columns are null then; null otherwise.
    An image never fails a job. Rows stay in the order that Ray Data has them in, which is that of the input only with
    `DataContext.execution_options.preserve_order`. The batch of an actor that dies is predicted again, and none of
    its rows appears twice.

    Args:
        model: as for `Classifier`, opened with one thread by each actor. A path must exist on every machine: pass the
            bytes of the file otherwise.
        column: the column that has the images: paths, URIs of object stores, encoded bytes, uint8 arrays, or structs
            that have "bytes" or "path".
        prefix: what the names of the added columns begin with.
        top: as for `Classifier.predict`, and so are plan, budget, average and unknown_below.
        plan: as above.
        budget: as above.
        average: as above.
        unknown_below: as above.
        channels: channel order of decoded arrays, "RGB" or "BGR".

    Raises:
        ArtifactError: the model is not found, is not an edgekit artifact, or is refused.
        SpecError: an argument is not valid.

    Example:
        >>> import ray
        >>> from edgekit.engines.ray import Predictor, actor_pool
        >>> images = ray.data.read_binary_files("photos", include_paths=True)
        >>> arguments = {"model": "model.onnx", "column": "bytes"}
        >>> predictions = images.map_batches(Predictor, fn_constructor_kwargs=arguments, **actor_pool())
        >>> predictions.select_columns(["path", "label", "error"]).write_parquet("predictions")
    """

    def __call__(self, batch: Batch) -> Batch:
        """Add the predictions to a batch of any `batch_format`.

        Args:
            batch: the rows.

        Raises:
            SpecError: it lacks the column with the images, or has one of those that are added.
        """
        return self.extended(batch)


class PoolSize(NamedTuple):
    """A pool of actors.

    Attributes:
        actors: the largest number of them.
        cpus: of each.
    """

    actors: int
    cpus: float


def pool_size(cpus: Sequence[float], *, actors: int | None = None) -> PoolSize:
    """One actor for each core, with so much less than a CPU each that tasks find one free at any time.

    All actors together hold at most the CPUs of all nodes less one for each node. So at least as many CPUs are free as
    there are nodes, however Ray places the actors, and at least one node has a whole one.

    Args:
        cpus: number of CPUs of each node; nodes with less than one have no part in this.
        actors: another largest number of actors.

    Raises:
        SpecError: no node has a CPU, or the number of actors is not an integer from 1.
    """
    if actors is not None and (not isinstance(actors, Integral) or isinstance(actors, bool) or actors < 1):
        raise SpecError(must_be("actors", "an integer from 1", actors))
    usable = [count for count in cpus if count >= 1]
    if not usable:
        raise SpecError("no node of the cluster has a CPU")
    most = int(actors or sum(int(count) for count in usable))
    units = int((sum(usable) - len(usable)) * _CPU_UNITS) // most
    return PoolSize(most, min(units, _CPU_UNITS) / _CPU_UNITS)


def actor_pool(*, actors: int | None = None) -> dict[str, Any]:
    """Arguments for `Dataset.map_batches` with which actors leave CPUs for the tasks before them.

    The pool begins with an actor for each core of the cluster. Its smallest number is one, so that Ray Data may stop
    those that its budgets do not cover: when a node is lost, its actors start again elsewhere and would hold the CPUs
    of the tasks there. This is for one such pool in a pipeline.

    Args:
        actors: another largest number of actors.

    Returns:
        compute, num_cpus, scheduling_strategy, batch_size and batch_format.

    Raises:
        EdgekitError: Ray is not installed.
        SpecError: no node has a CPU, or the number of actors is not an integer from 1.

    Example:
        >>> from edgekit.engines.ray import actor_pool
        >>> sorted(actor_pool(actors=2))
        ['batch_format', 'batch_size', 'compute', 'num_cpus', 'scheduling_strategy']
    """
    ray = import_engine("ray", requirement=_REQUIREMENT)
    data = import_engine("ray.data", requirement=_REQUIREMENT)
    ray.init(ignore_reinit_error=True)
    size = pool_size(node_cpus(ray), actors=actors)
    return {
        "compute": data.ActorPoolStrategy(min_size=1, max_size=size.actors, initial_size=size.actors),
        "num_cpus": size.cpus,
        "scheduling_strategy": "SPREAD",  # by itself, Ray fills one node first
        "batch_size": _BATCH_ROWS,
        "batch_format": "pyarrow",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class RayEngine:
    """Predicts the shards of a job in tasks of one CPU and one thread each, for `edgekit.bulk.run_job`.

    A shard whose worker or node dies is predicted again elsewhere, up to 4 times.

    Args:
        address: of a cluster, as for `ray.init`; by default RAY_ADDRESS, or a Ray of its own on this machine.
    """

    address: str | None = None

    def __call__(self, job: Job, shards: Sequence[JobShard], on_image: OnImage) -> Generator[ShardResult, None, None]:
        """Yield the results of the shards as they are finished.

        Args:
            job: the job.
            shards: those to predict.
            on_image: not called: images are counted when their shard is finished.

        Raises:
            DataError: the cluster cannot be reached, or a worker cannot enter the folder of relative paths.
            EdgekitError: Ray is not installed, a model is refused, or a part cannot be written.
        """
        ray = import_engine("ray", requirement=_REQUIREMENT)
        with connected(ray, self.address):
            yield from _results(ray, job, iter(shards))


def _results(ray: Any, job: Job, shards: Iterator[JobShard]) -> Iterator[ShardResult]:
    from edgekit.engines.shard_worker import predict_shard

    predict = ray.remote(num_cpus=1, max_retries=_RETRIES, scheduling_strategy="SPREAD")(predict_shard)
    portable, folder = ray.put(job.portable()), os.getcwd()  # noqa: PTH109
    running: dict[Any, JobShard] = {}
    while True:
        room = _AHEAD * max(1, int(sum(node_cpus(ray)))) - len(running)  # nodes come and go
        running |= {predict.remote(portable, shard, folder): shard for shard in islice(shards, max(0, room))}
        if not running:
            return
        (done, *_), _ = ray.wait(list(running))
        yield _result(ray, done, running.pop(done))


def _result(ray: Any, done: Any, shard: JobShard) -> ShardResult:
    try:
        result: ShardResult = ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, EdgekitError) else error from None
    except ray.exceptions.RayError as error:
        name = shard.path or f"part {shard.number}"
        reason = f"its worker died {_RETRIES + 1} times ({type(error).__name__})"
        return ShardResult(shard.number, error=f"{name}: {reason}; see the logs of Ray")
    return result
