"""The predictor: images in, labels out.

An image's road as `predict` calls its stops: open_image (size known) -> plan.views -> decode (no larger than the views
need) -> Preprocess.pixels -> LoadedModel.run -> plan.probabilities -> Prediction. If the best two classes are close
after reduced decoding, the image is decoded fully and takes the road once more.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from edgekit.artifact.guard.model_limits import DEFAULT_MODEL_LIMITS, ModelLimits
from edgekit.artifact.info import ArtifactInfo
from edgekit.errors import ImageError, SpecError
from edgekit.hub.shipped import DEFAULT_MODEL, model_file
from edgekit.image.decode_limits import DEFAULT_LIMITS, ImageLimits
from edgekit.image.load import Channels, LoadedImage, open_image
from edgekit.image.source import ImageSource, Pixels
from edgekit.preprocess.crops import CropPlan, View, plan_named
from edgekit.preprocess.scores import Average
from edgekit.runtime.decoding import are_close, enough_for
from edgekit.runtime.loaded_model import FEATURES, LOGITS, LoadedModel
from edgekit.runtime.prediction import AnyPlan, ClassScores, Plan, Prediction, Request, Stopwatch
from edgekit.runtime.session import SessionOptions

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


class Predictor(ABC):
    """Base class of Classifier and Ensemble. Use as a context manager to release the session."""

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""

    @property
    @abstractmethod
    def models(self) -> tuple[Classifier, ...]:
        """The classifiers that predict: one, or the members of an ensemble."""

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
        """The most probable classes of one image, by the mean over the plan's views.

        image: whatever load_image takes. top: how many classes (all where there are fewer). plan: a plan or its name:
        center, flip, five, ten, grid:RxC, multi-scale, wide, whole, or adaptive where the file holds one. budget: how
        many views adaptive may take, in the mean over many images. average: of the views' probabilities, or of their
        logits, as adaptive always does. unknown_below: under this probability the label is "unknown". channels: the
        order in arrays. Raises ImageError for an image that cannot be read or is refused.
        """
        request = Request(
            top=top, plan=plan, budget=budget, average=average, unknown_below=unknown_below, channels=channels
        )
        return self.predict_request(image, request)

    def predict_request(self, image: ImageSource, request: Request) -> Prediction:
        """As predict, with its other arguments checked already."""
        plans = [request.plan_for(model.info, model.name) for model in self.models]
        watch = Stopwatch()
        loaded = self.load(image, plans, channels=request.channels)
        watch.lap("load_ms")
        scores = self.scores(loaded, plans, request.average, watch)
        if are_close(scores.probabilities):
            full = loaded.in_full()
            watch.lap("load_ms")
            if full is not None:
                scores = self.scores(full, plans, request.average, watch, exact=True)
        return request.prediction(scores, self.labels, watch.timings)

    def load(self, image: ImageSource, plans: Sequence[AnyPlan], *, channels: Channels = "RGB") -> LoadedImage:
        """The image, upright, decoded no larger than the plans (one for each model) need it; in RGB if any model does.

        Raises ImageError for an image that cannot be read or is refused.
        """
        opened = open_image(image, limits=self.models[0].limits, channels=channels)
        specs = [model.info.preprocess for model in self.models]
        views = [view for spec, plan in zip(specs, plans, strict=True) for view in plan.views(opened.size, spec)]
        exact = any(model.exact for model in self.models)
        return opened.decode(max((spec.color for spec in specs), key=len), enough=None if exact else enough_for(views))

    @abstractmethod
    def scores(
        self, image: LoadedImage, plans: Sequence[AnyPlan], average: Average, watch: Stopwatch, *, exact: bool = False
    ) -> ClassScores:
        """The scores of a decoded image by the plans, one for each model. exact: resample all of it."""

    @abstractmethod
    def warmup(self) -> None:
        """Run every network once, so that the first prediction takes no longer than the next."""

    @abstractmethod
    def close(self) -> None:
        """Give memory and threads back; predicting after it is an error."""

    def predict_many(
        self,
        images: Iterable[ImageSource],
        *,
        top: int = 5,
        plan: Plan = "center",
        budget: float | None = None,
        average: Average = "probabilities",
        unknown_below: float = 0.0,
        channels: Channels = "RGB",
    ) -> Iterator[Prediction | ImageError]:
        """One prediction for each image, in order, as they are ready; an image that fails yields its ImageError."""
        if isinstance(images, str | bytes):
            raise SpecError("predict_many takes several images; put the one into a list, or call predict")
        request = Request(
            top=top, plan=plan, budget=budget, average=average, unknown_below=unknown_below, channels=channels
        )
        for image in images:
            try:
                yield self.predict_request(image, request)
            except ImageError as error:
                yield error

    async def predict_async(
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
        """As predict, in a thread, while the event loop goes on."""
        import asyncio  # here, because most programs need none

        request = Request(
            top=top, plan=plan, budget=budget, average=average, unknown_below=unknown_below, channels=channels
        )
        return await asyncio.to_thread(self.predict_request, image, request)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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

    def scores(
        self, image: LoadedImage, plans: Sequence[AnyPlan], average: Average, watch: Stopwatch, *, exact: bool = False
    ) -> ClassScores:
        (plan,) = plans
        views: list[View] = []
        logits = np.empty((0, len(self.labels)), np.float32)
        for step in plan.steps(image.size, self.info.preprocess):
            views += step
            logits = np.concatenate([logits, self._run(LOGITS, image, step, watch, exact=exact)])
            if plan.is_sure(logits):
                break
        return ClassScores(plan.probabilities(logits, average), logits.mean(axis=0, dtype=np.float64), len(set(views)))

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
        loaded = self.load(image, [crops], channels=channels)
        views = crops.views(loaded.size, self.info.preprocess)
        return np.asarray(self._run(FEATURES, loaded, views, Stopwatch()).mean(axis=0))

    def logits(self, batch: Pixels) -> npt.NDArray[np.float32]:
        """float32 (N, classes) for uint8 pixels (N, height, width, channels), as preprocess.pixels cuts them."""
        return self.output(LOGITS, batch)

    def output(self, name: str, batch: Pixels) -> npt.NDArray[np.float32]:
        """One of `outputs`, float32 (N, ...), for pixels as `logits` takes them.

        Raises ArtifactError for an output that the file does not have, SpecError for other pixels.
        """
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
    def name(self) -> str:
        """What messages call the model: the absolute path of its file."""
        return self._model.path

    @property
    def path(self) -> Path:
        """The file, absolute."""
        from pathlib import Path  # here, because it takes longer to load than half of this package

        return Path(self.name)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the logits."""
        return self.info.labels

    @property
    def models(self) -> tuple[Self]:
        """This classifier alone."""
        return (self,)

    @property
    def threads(self) -> int | None:
        """Of one prediction, as asked for."""
        return self._model.options.threads

    def with_threads(self, threads: int) -> Self:
        """The same classifier over a session of its own with so many threads."""
        twin = type(self).__new__(type(self))
        twin.__setstate__({**self.__getstate__(), "options": self._model.options._replace(threads=threads)})
        return twin

    def warmup(self) -> None:
        """Run the network once, so that the first prediction takes no longer than the next."""
        self.logits(np.zeros((1, *self.info.preprocess.crop, self.info.preprocess.channels), np.uint8))

    def close(self) -> None:
        """Give the session's memory and threads back; predicting after it is an error."""
        self._model.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.name, "options": self._model.options, "limits": self.limits, "exact": self.exact}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.limits, self.exact = state["limits"], state["exact"]
        self._model = LoadedModel(state["path"], state["options"])

    def __repr__(self) -> str:
        return f"Classifier({self._model.path!r}, {self.info.model}, {len(self.labels)} labels)"
