"""The predictor: images in, labels out."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from edgekit.artifact.guard.scan import DEFAULT_MODEL_LIMITS, ModelLimits
from edgekit.artifact.info import ArtifactInfo
from edgekit.errors import SpecError
from edgekit.hub.shipped import DEFAULT_MODEL, model_file
from edgekit.image.load import DEFAULT_LIMITS, Channels, ImageLimits, LoadedImage, open_image
from edgekit.image.source import ImageSource, Pixels
from edgekit.preprocess.adaptive_crops import AdaptivePlan
from edgekit.preprocess.crops import CropPlan, View, plan_named
from edgekit.preprocess.scores import Average
from edgekit.runtime.decoding import are_close, enough_for
from edgekit.runtime.loaded_model import FEATURES, LOGITS, LoadedModel
from edgekit.runtime.prediction import ClassScores, Plan, Prediction, Request, Stopwatch
from edgekit.runtime.predictor import Predictor
from edgekit.runtime.session import SessionOptions

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


class Classifier(Predictor):
    """A model file, ready to predict.

    path: an .onnx file that edgekit made, or the name of a shipped model. threads: of one prediction; by default
    EDGEKIT_NUM_THREADS or the cores that this process may use. limits: what an image may cost before it is refused;
    model_limits: what a model may be. exact: decode and resize all of every image, as export and training do; by
    default only what the network sees, which is faster and moves the logits a little. provider: an execution provider
    of onnxruntime, such as "cuda"; the CPU by default. trusted: also load a file of onnxruntime's own format (.ort),
    which cannot be looked through before it is loaded; only for files that you made.

    Threads may share one Classifier. It pickles as its path and arguments, and opens its session anew in a forked
    child, whose copy of the parent's thread pool is dead. Raises ArtifactError for a file that is not an artifact, or
    that holds what no classifier needs. A context manager: it ends by `close`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = DEFAULT_MODEL,
        *,
        threads: int | None = None,
        limits: ImageLimits = DEFAULT_LIMITS,
        model_limits: ModelLimits = DEFAULT_MODEL_LIMITS,
        exact: bool = False,
        provider: str | None = None,
        trusted: bool = False,
    ) -> None:
        options = SessionOptions(threads=threads, provider=provider, trusted=trusted, limits=model_limits)
        self.limits, self.exact, self._model = limits, exact, LoadedModel(model_file(path), options)

    def predict(
        self,
        image: ImageSource,
        *,
        top: int = 5,
        plan: Plan = "center",
        budget: float | None = None,
        average: Average = "probabilities",
        unknown_below: float = 0.0,
        channels: Channels = "RGB",
    ) -> Prediction:
        """The most probable classes of one image; see Predictor.predict."""
        request = Request(
            top=top, plan=plan, budget=budget, average=average, unknown_below=unknown_below, channels=channels
        )
        crops = request.plan_for(self.info, self._model.path)
        watch = Stopwatch()
        loaded = self.load(image, crops, channels=channels)
        watch.lap("load_ms")
        scores = self.scores(loaded, crops, average, watch)
        if are_close(scores.probabilities) and (full := loaded.in_full()):
            watch.lap("load_ms")
            scores = self.scores(full, crops, average, watch, exact=True)
        return request.prediction(scores, self.labels, watch.timings)

    def load(self, image: ImageSource, plan: CropPlan | AdaptivePlan, *, channels: Channels = "RGB") -> LoadedImage:
        """The image, upright and in the network's color, decoded no larger than the plan needs it.

        Raises ImageError for an image that cannot be read or is refused.
        """
        opened = open_image(image, limits=self.limits, channels=channels)
        views = plan.views(opened.size, self.info.preprocess)
        return opened.decode(self.info.preprocess.color, enough=None if self.exact else enough_for(views))

    def scores(
        self,
        image: LoadedImage,
        plan: CropPlan | AdaptivePlan,
        average: Average,
        watch: Stopwatch,
        *,
        exact: bool = False,
    ) -> ClassScores:
        """The scores of a decoded image, from as many views as the plan wants. exact: resample all of it."""
        views: list[View] = []
        logits = np.empty((0, len(self.labels)), np.float32)
        for step in plan.steps(image.size, self.info.preprocess):
            views += step
            logits = np.concatenate([logits, self._run(LOGITS, image, step, watch, exact=exact)])
            if plan.is_sure(logits):
                break
        probabilities = plan.probabilities(logits, average)
        return ClassScores(probabilities, logits.mean(axis=0, dtype=np.float64), len(set(views)))

    def _run(
        self, output: str, image: LoadedImage, views: tuple[View, ...], watch: Stopwatch, *, exact: bool = False
    ) -> npt.NDArray[np.float32]:
        """The output for every view: cut, then run. Equal views run once."""
        row_of = {view: row for row, view in enumerate(dict.fromkeys(views))}
        pixels = self.info.preprocess.pixels(image, tuple(row_of), whole=self.exact or exact)
        watch.lap("pixels_ms")
        # One crop after the other: a batch of them is no faster on a CPU, and one shape keeps the memory small.
        rows = np.concatenate([self._model.run(output, crop[None]) for crop in pixels])
        watch.lap("network_ms")
        return rows[[row_of[view] for view in views]]

    def embed(
        self, image: ImageSource, *, plan: str | int | CropPlan = "center", channels: Channels = "RGB"
    ) -> npt.NDArray[np.float32]:
        """The image's features, float32 (features,), the mean over the plan's views.

        Images that look alike to the network lie near each other. Raises ArtifactError for a file that has no output
        called `features`.
        """
        crops = plan_named(plan)
        loaded = self.load(image, crops, channels=channels)
        views = crops.views(loaded.size, self.info.preprocess)
        return np.asarray(self._run(FEATURES, loaded, views, Stopwatch()).mean(axis=0))

    def logits(self, batch: Pixels) -> npt.NDArray[np.float32]:
        """float32 (N, classes) for uint8 pixels (N, height, width, channels), as preprocess.pixels cuts them."""
        return self.output(LOGITS, batch)

    def output(self, name: str, batch: Pixels) -> npt.NDArray[np.float32]:
        """One of `outputs`, float32 (N, ...), for pixels as `logits` takes them.

        Raises ArtifactError for an output that the file does not have.
        """
        expected = (*self.info.preprocess.crop, self.info.preprocess.channels)
        if not isinstance(batch, np.ndarray) or batch.dtype != np.uint8 or batch.shape[1:] != expected:
            given = f"{batch.dtype} {batch.shape}" if isinstance(batch, np.ndarray) else type(batch).__name__
            raise SpecError(f"pixels must be uint8 (N, {', '.join(map(str, expected))}), not {given}")
        if not len(batch) and name == LOGITS:
            return np.empty((0, len(self.labels)), np.float32)
        return self._model.run(name, batch)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the network puts out: logits, and features or maps where it was exported with them."""
        return self._model.outputs

    @property
    def info(self) -> ArtifactInfo:
        """What the file states of itself."""
        return self._model.info

    @property
    def path(self) -> Path:
        """The file, absolute."""
        from pathlib import Path  # here, because it takes longer to load than half of this package

        return Path(self._model.path)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the logits."""
        return self.info.labels

    @property
    def threads(self) -> int | None:
        """Of one prediction, as asked for."""
        return self._model.options.threads

    def with_threads(self, threads: int) -> Self:
        """The same classifier over a session of its own with so many threads."""
        twin = type(self).__new__(type(self))
        twin.__setstate__({**self.__getstate__(), "options": replace(self._model.options, threads=threads)})
        return twin

    def warmup(self) -> None:
        """Run the network once, so that the first prediction takes no longer than the next."""
        self.logits(np.zeros((1, *self.info.preprocess.crop, self.info.preprocess.channels), np.uint8))

    def close(self) -> None:
        """Give the session's memory and threads back; predicting after it is an error."""
        self._model.close()

    def __getstate__(self) -> dict[str, Any]:
        return {
            "path": self._model.path,
            "options": self._model.options,
            "limits": self.limits,
            "exact": self.exact,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.limits, self.exact = state["limits"], state["exact"]
        self._model = LoadedModel(state["path"], state["options"])

    def __repr__(self) -> str:
        return f"Classifier({self._model.path!r}, {self.info.model}, {len(self.labels)} labels)"
