"""Bulk prediction on Daft: a function of expressions, and an engine."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekit.bulk.manifest import ShardResult
from edgekit.c_allocator import limit_arenas
from edgekit.engines.packages import import_engine
from edgekit.engines.ray_cluster import connected
from edgekit.engines.rows import RowPredictor
from edgekit.engines.shard_worker import predict_shard
from edgekit.errors import EdgekitError

if TYPE_CHECKING:
    import daft

    from edgekit.bulk.job import Job
    from edgekit.bulk.job_shards import JobShard
    from edgekit.bulk.predict_shards import OnImage

_REQUIREMENT = "daft"
_BATCH_ROWS = 32  # encoded images in memory for each thread


class Predictor(RowPredictor):
    """Predicts the images of an expression: a user-defined function for Daft's data frames.

    Called with an expression, it returns one of structs with the fields `label`, `probability`, `top` (list of {label,
    index, probability}), of multi-label models also `labels`, and `error`: why the image could not be predicted, whose
    other fields are null then; null otherwise. An image never fails a query. On one machine rows keep the order of the
    frame, and Daft runs the function in as many threads as there are cores, which share one model. On a Ray cluster
    each worker opens the model, and Daft defines the order; no row appears twice.

    Args:
        model: as for `Classifier`, which is opened with one thread. A path must exist on every machine: pass the bytes
            of the file otherwise.
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
        >>> import daft
        >>> from edgekit.engines.daft import Predictor
        >>> predict = Predictor("model.onnx")
        >>> images = daft.from_glob_path("photos/**/*.jpg")
        >>> predictions = images.select("path", predict(images["path"]).unnest())
        >>> predictions.select("path", "label", "error").write_parquet("predictions")
    """

    def __call__(self, images: daft.Expression) -> daft.Expression:
        """Make the expression of the predictions.

        Args:
            images: paths, URIs of object stores, encoded bytes, uint8 arrays, Daft images or tensors, or structs that
                have "bytes" or "path".

        Raises:
            EdgekitError: Daft is not installed.
        """
        module = import_engine("daft", requirement=_REQUIREMENT)
        import pyarrow

        types = self.arrow_types()
        struct = module.DataType.from_arrow_type(pyarrow.struct(list(types.items())))

        class Rows:
            """Daft makes one object of this class in each process."""

            def __init__(self, predictor: RowPredictor) -> None:
                self._predictor = predictor

            @module.method.batch(return_dtype=struct, batch_size=_BATCH_ROWS)  # type: ignore[untyped-decorator]
            def predict(self, images: daft.Series) -> pyarrow.StructArray:
                columns = self._predictor.columns(images.to_pylist())
                arrays = [pyarrow.array(values, types[name]) for name, values in columns.items()]
                return pyarrow.StructArray.from_arrays(arrays, names=list(types))

        # In threads: the network and the decoders run without Python's lock. A process would need a model of its own.
        rows = module.cls(use_process=False, name_override="edgekit")(Rows)
        return rows(self).predict(images)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaftEngine:
    """Predicts the shards of a job as rows of a data frame, for `edgekit.bulk.run_job`.

    Results come in the order of the shards.

    Args:
        address: of a Ray cluster on which Daft runs; by default Daft's runner, which is this machine with a shard in
            each thread unless DAFT_RUNNER or the program chooses Ray.
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
            EdgekitError: Daft is not installed, a model is refused, or a part cannot be written.
        """
        module = import_engine("daft", requirement=_REQUIREMENT)
        if not shards:
            return
        with ExitStack() as stack:
            if self.address is not None:
                stack.enter_context(connected(import_engine("ray", requirement="daft[ray]"), self.address))
                module.set_runner_ray(self.address, noop_if_initialized=True)
            else:  # each shard starts threads in this process
                limit_arenas()
            frame = module.from_pydict({"shard": [pickle.dumps(shard) for shard in shards]})
            if self.address is not None:
                frame = frame.into_partitions(len(shards))  # what Daft sends to a machine at a time
            outcomes = frame.select(_shard_function(module, job.portable())(frame["shard"]).alias("outcome"))
            for row in outcomes.iter_rows(results_buffer_size=None):
                outcome = pickle.loads(row["outcome"])  # what our own function returned
                if isinstance(outcome, EdgekitError):
                    raise outcome
                yield outcome


def _shard_function(module: Any, job: Job) -> Callable[[daft.Expression], daft.Expression]:
    """A function of the expression of pickled shards. Its results are pickled, as Daft words errors in many lines."""

    class Shards:
        """Daft makes one object of this class in each process."""

        def __init__(self, job: Job, folder: str) -> None:
            self._job, self._folder = job, folder

        @module.method.batch(return_dtype=module.DataType.binary(), batch_size=1)  # type: ignore[untyped-decorator]
        def predict(self, shards: daft.Series) -> list[bytes]:
            return [pickle.dumps(self._outcome(pickle.loads(shard))) for shard in shards.to_pylist()]

        def _outcome(self, shard: JobShard) -> ShardResult | EdgekitError:
            try:
                return predict_shard(self._job, shard, self._folder)
            except EdgekitError as error:
                return error

    shards = module.cls(use_process=False, name_override="edgekit")(Shards)
    function: Callable[[daft.Expression], daft.Expression] = shards(job, os.getcwd()).predict  # noqa: PTH109
    return function
