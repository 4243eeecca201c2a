"""The predictor: pictures in, labels out."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.Image import Image

from edgekit.artifact.guard.scan import DEFAULT_MODEL_LIMITS, ModelLimits
from edgekit.artifact.info import ArtifactInfo
from edgekit.errors import SpecError
from edgekit.hub.shipped import DEFAULT_MODEL, model_file
from edgekit.image import load as images
from edgekit.image.load import DEFAULT_LIMITS, Channels, Limits, PictureSource, Pixels
from edgekit.preprocess.adaptive_crops import AdaptivePlan
from edgekit.preprocess.crops import CropPlan, View, plan_named
from edgekit.preprocess.scores import Average, averaged
from edgekit.runtime.decoding import load_for, settled
from edgekit.runtime.loaded_model import FEATURES, LOGITS, OpenedModel
from edgekit.runtime.prediction import Answer, Request
from edgekit.runtime.prediction import Prediction as Prediction
from edgekit.runtime.prediction import Timings as Timings
from edgekit.runtime.predictor import Predictor

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


class Classifier(Predictor):
    """A model file, ready to predict.

    path: an .onnx file that edgekit made, or the name of a shipped model. threads: of one prediction; by default
    EDGEKIT_NUM_THREADS or the cores that this process may use. limits: what a picture may cost before it is refused;
    model_limits: what a model may be. exact: decode and resize all of every picture, as export and training do; by
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
        limits: Limits = DEFAULT_LIMITS,
        model_limits: ModelLimits = DEFAULT_MODEL_LIMITS,
        exact: bool = False,
        provider: str | None = None,
        trusted: bool = False,
    ) -> None:
        self.limits, self.exact = limits, exact
        self._model = OpenedModel(
            model_file(path), threads=threads, limits=model_limits, provider=provider, trusted=trusted
        )

    @property
    def info(self) -> ArtifactInfo:
        """What the file says of itself."""
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

    def embed(
        self, image: PictureSource, *, plan: str | int | CropPlan = "center", channels: Channels = "RGB"
    ) -> npt.NDArray[np.float32]:
        """The picture's features, float32 (features,), the mean over the plan's views.

        Pictures that look alike to the network lie near each other. Raises ArtifactError for a file that has no output
        called `features`.
        """
        chosen = plan_named(plan)
        picture = self.load(image, chosen, channels=channels)
        features, _, _ = self._seen(picture, chosen.views(images.size_of(picture), self.info.preprocess), FEATURES)
        return np.asarray(features.mean(axis=0))

    def logits(self, batch: Pixels) -> npt.NDArray[np.float32]:
        """float32 (N, classes) for uint8 pixels (N, height, width, channels), as preprocess.pixels cuts them."""
        return self.output(LOGITS, batch)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the network puts out: logits, and features or maps where it was exported with them."""
        return self._model.outputs

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

    def load(self, image: PictureSource, plan: CropPlan | AdaptivePlan, *, channels: Channels = "RGB") -> Image:
        """The picture, upright and in the network's color, decoded no larger than the plan needs it.

        Raises ImageError for a picture that cannot be read or is refused.
        """
        wanted = [(self.info.preprocess, plan)]
        return load_for(image, wanted, limits=self.limits, channels=channels, exact=self.exact)

    def answer(
        self, picture: Image, plan: CropPlan | AdaptivePlan, *, average: Average = "probabilities", whole: bool = False
    ) -> Answer:
        """What the network says of a picture that `load` gave. whole: resample all of it, as exact does."""
        views = plan.views(images.size_of(picture), self.info.preprocess)
        logits, pixels_ms, network_ms = np.empty((0, len(self.labels)), np.float32), 0.0, 0.0
        for step in _steps(plan, views):
            seen, cutting_ms, running_ms = self._seen(picture, step, LOGITS, whole=whole)
            logits = np.concatenate([logits, seen])
            pixels_ms, network_ms = pixels_ms + cutting_ms, network_ms + running_ms
            if isinstance(plan, AdaptivePlan) and plan.is_sure(logits):
                break
        found = plan.probabilities(logits) if isinstance(plan, AdaptivePlan) else averaged(logits, average)
        mean, run = logits.mean(axis=0, dtype=np.float64), len(set(views[: len(logits)]))
        return Answer(found, mean, run, pixels_ms, network_ms)

    def warmup(self) -> None:
        """Run the network once, so that the first prediction takes no longer than the next."""
        self.logits(np.zeros((1, *self.info.preprocess.crop, self.info.preprocess.channels), np.uint8))

    def close(self) -> None:
        """Give the session's memory and threads back; predicting after it is an error."""
        self._model.close()

    def answered(self, image: PictureSource, request: Request) -> Prediction:
        """The answer to what was asked of one picture."""
        plan = request.plan_for(self.info, self._model.path)
        start = time.perf_counter()
        picture = self.load(image, plan, channels=request.channels)
        load_ms = (time.perf_counter() - start) * 1e3

        def answer_of(picture: Image, whole: bool) -> Answer:
            return self.answer(picture, plan, average=request.average, whole=whole)

        answer = settled(picture, answer_of)
        return request.prediction(answer, self.labels, load_ms=load_ms)

    def _seen(
        self, picture: Image, views: tuple[View, ...], output: str, *, whole: bool = False
    ) -> tuple[npt.NDArray[np.float32], float, float]:
        """The output for every view, and the milliseconds of cutting and of running them. Equal views run once."""
        rows = {view: row for row, view in enumerate(dict.fromkeys(views))}
        start = time.perf_counter()
        pixels = self.info.preprocess.pixels(picture, tuple(rows), whole=self.exact or whole)
        cut = time.perf_counter()
        # One crop after the other: a batch of them is no faster on a CPU, and one shape keeps the memory small.
        seen = np.concatenate([self._model.run(output, crop[None]) for crop in pixels])
        ran = time.perf_counter()
        return seen[[rows[view] for view in views]], (cut - start) * 1e3, (ran - cut) * 1e3

    def __getstate__(self) -> dict[str, Any]:
        return {
            "path": self._model.path,
            "threads": self._model.threads,
            "limits": self.limits,
            "model_limits": self._model.limits,
            "exact": self.exact,
            "provider": self._model.provider,
            "trusted": self._model.trusted,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state.pop("path"), **state)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"Classifier({self._model.path!r}, {self.info.model}, {len(self.labels)} labels)"


def _steps(plan: CropPlan | AdaptivePlan, views: tuple[View, ...]) -> tuple[tuple[View, ...], ...]:
    """What is looked at before the plan is asked whether it is enough: one view of an adaptive plan, else all."""
    return tuple((view,) for view in views) if isinstance(plan, AdaptivePlan) else (views,)
