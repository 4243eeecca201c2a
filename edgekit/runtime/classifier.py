"""A model file that predicts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from edgekit.artifact.guard.model_limits import DEFAULT_MODEL_LIMITS, ModelLimits
from edgekit.artifact.info import ArtifactInfo
from edgekit.errors import SpecError, must_be
from edgekit.hub.model_files import default_model, model_source
from edgekit.image.decode_limits import DEFAULT_LIMITS, ImageLimits, check_limits
from edgekit.image.load import Channels, LoadedImage
from edgekit.image.source import ImageSource, Pixels
from edgekit.preprocess.crops import CropPlan, View, plan_named
from edgekit.preprocess.scores import Average, mean_logits
from edgekit.preprocess.scoring import Scoring
from edgekit.runtime.loaded_model import FEATURES, LOGITS, LoadedModel
from edgekit.runtime.prediction import AnyPlan, ClassScores, Stopwatch
from edgekit.runtime.predictor import Predictor
from edgekit.runtime.session import SessionOptions

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

ModelSource: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview"


class Classifier(Predictor):
    """An image classifier: a model file, validated and loaded.

    A Classifier is thread-safe, picklable and fork-safe: an unpickled one opens its file again, and so does a forked
    child, in which the parent's threads do not exist. Use it as a context manager to release the session.

    Args:
        model: path of an .onnx file made by edgekit, name of a model (`edgekit models` lists them; one that is not
            built-in is built and stored in the cache when it is first used), or the bytes of a model file. By default
            EDGEKIT_MODEL, or `efficientnet_lite0-imagenet-int8` if the extra `imagenet` is installed, or
            `mobilenet_v2-cifar10-int8`.
        threads: threads for one prediction, 1 to 256; by default EDGEKIT_NUM_THREADS, or the cores available to this
            process.
        limits: largest image accepted.
        model_limits: limits on the size and structure of the model file.
        exact: decode and resize the full image exactly as in training. By default only what the network sees is
            resampled, which is faster and changes the logits slightly.
        provider: execution provider of onnxruntime, such as "cuda"; by default the CPU.
        trusted: also accept a file in onnxruntime's own format (.ort), which cannot be validated before it is loaded.
            Use it only for files that you created.

    Raises:
        ArtifactError: the model is not found, is not an edgekit artifact, or is refused.
        SpecError: an argument is not valid.

    Example:
        >>> from edgekit import Classifier
        >>> with Classifier("model.onnx") as classifier:
        ...     classifier.predict("photo.jpg").label
        'nut'
        >>> classifier
        <Classifier '...', float32, 3 labels, '...model.onnx'>
        >>> Classifier("mobilenet_v2-cifar10-int8").predict("examples/ship.png").label  # a built-in model
        'ship'
    """

    def __init__(
        self,
        model: ModelSource | None = None,
        *,
        threads: int | None = None,
        limits: ImageLimits = DEFAULT_LIMITS,
        model_limits: ModelLimits = DEFAULT_MODEL_LIMITS,
        exact: bool = False,
        provider: str | None = None,
        trusted: bool = False,
    ) -> None:
        check_limits("limits", limits, ImageLimits)
        check_limits("model_limits", model_limits, ModelLimits)
        for name, value in (("exact", exact), ("trusted", trusted)):
            if not isinstance(value, bool):
                raise SpecError(must_be(name, "True or False", value))
        options = SessionOptions(threads=threads, provider=provider, trusted=trusted, limits=model_limits)
        self._limits, self._exact, self._model = limits, exact, LoadedModel(_file_or_bytes(model), options)

    def embed(
        self, image: ImageSource, *, plan: str | int | CropPlan = "center", channels: Channels = "RGB"
    ) -> npt.NDArray[np.float32]:
        """Compute the feature vector of one image: images that look alike to the network have close vectors.

        Args:
            image: as for `predict`.
            plan: which views of the image are averaged: a crop plan or its name, as for `predict`; not adaptive.
            channels: as for `predict`.

        Returns:
            float32 (features,), the mean over the views.

        Raises:
            ArtifactError: the model has no output `features`; `edgekit export --features` adds it.
            ImageError: the image cannot be read, or is refused.
            SpecError: an argument is not valid.

        Example:
            >>> from edgekit import Classifier
            >>> classifier = Classifier("model.onnx")
            >>> "features" in classifier.outputs  # else embed raises an ArtifactError
            False
        """
        crops = plan_named(plan)
        loaded = self.load(image, [crops], channels=channels)
        views = crops.views(loaded.size, self.info.preprocess)
        return np.asarray(np.mean(self._run(FEATURES, loaded, views, Stopwatch()), axis=0))

    def logits(self, batch: Pixels) -> npt.NDArray[np.float32]:
        """Run the network on pixels that are cut already.

        Args:
            batch: uint8 (N, height, width, channels), as from `info.preprocess.pixels`.

        Returns:
            float32 (N, classes).

        Raises:
            ArtifactError: the network fails.
            SpecError: the pixels have another type or shape.

        Example:
            >>> from edgekit import Classifier, load_image
            >>> classifier = Classifier("model.onnx")
            >>> batch = classifier.info.preprocess.pixels(load_image("photo.jpg"))
            >>> classifier.logits(batch).shape
            (1, 3)
        """
        return self.output(LOGITS, batch)

    def output(self, name: str, batch: Pixels) -> npt.NDArray[np.float32]:
        """Run the network on pixels that are cut already, for any of its outputs.

        Args:
            name: one of `outputs`.
            batch: uint8 (N, height, width, channels), as from `info.preprocess.pixels`.

        Returns:
            float32 (N, ...).

        Raises:
            ArtifactError: the model has no such output, or the network fails.
            SpecError: the pixels have another type or shape.
        """
        return self._model.run(name, batch)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the network's outputs: logits, and features or maps if it was exported with them."""
        return self._model.outputs

    @property
    def info(self) -> ArtifactInfo:
        """The metadata of the model file."""
        return self._model.info

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the logits."""
        return self.info.labels

    @property
    def scoring(self) -> Scoring:
        """How logits become probabilities, and these labels: as the model file says."""
        return self.info.scoring

    @property
    def name(self) -> str:
        """What messages call the model: the absolute path of its file, or "model bytes"."""
        return self._model.name

    @property
    def path(self) -> Path | None:
        """The absolute path of the model file; None for model bytes."""
        from pathlib import Path  # here, because it takes longer to load than half of this package

        return None if isinstance(self._model.source, bytes) else Path(self.name)

    @property
    def models(self) -> tuple[Self]:
        """This classifier alone, as a tuple."""
        return (self,)

    @property
    def options(self) -> SessionOptions:
        """How the model was opened: threads, provider, trusted, limits."""
        return self._model.options

    @property
    def limits(self) -> ImageLimits:
        """Largest image accepted."""
        return self._limits

    @property
    def exact(self) -> bool:
        """Whether images are decoded and resized in full."""
        return self._exact

    def warmup(self) -> None:
        """Run the network once, so that the first prediction is as fast as the next."""
        self.logits(np.zeros((1, *self.info.preprocess.crop, self.info.preprocess.channels), np.uint8))

    def close(self) -> None:
        """Release memory and threads. Predicting after that is an error."""
        self._model.close()

    def _scores(
        self, image: LoadedImage, plans: Sequence[AnyPlan], average: Average, watch: Stopwatch, *, exact: bool = False
    ) -> ClassScores:
        (plan,) = plans
        views: list[View] = []
        rows: list[npt.NDArray[np.float32]] = []
        for step in plan.steps(image.size, self.info.preprocess):
            views += step
            rows += self._run(LOGITS, image, step, watch, exact=exact)
            if plan.is_sure(logits := np.asarray(rows)):
                break
        temperature, task = self.info.temperature, self.info.task
        uncalibrated = plan.probabilities(logits, average, task=task)
        return ClassScores(
            uncalibrated if temperature is None else plan.probabilities(logits, average, temperature=temperature),
            uncalibrated,
            mean_logits(logits),
            len(set(views)),
        )

    def _run(
        self, output: str, image: LoadedImage, views: tuple[View, ...], watch: Stopwatch, *, exact: bool = False
    ) -> list[npt.NDArray[np.float32]]:
        """The output for every view. Equal views run once."""
        distinct = tuple(dict.fromkeys(views))
        pixels = self.info.preprocess.pixels(image, distinct, whole=self._exact or exact)
        watch.lap("pixels_ms")
        # One crop after the other: a batch of them is no faster on a CPU, and a single shape keeps memory small.
        row_of = {view: self._model.run(output, crop[None])[0] for view, crop in zip(distinct, pixels, strict=True)}
        watch.lap("network_ms")
        return [row_of[view] for view in views]

    def _over(self, models: tuple[Classifier, ...]) -> Classifier:
        return models[0]

    def _with_threads(self, threads: int) -> Self:
        """The same classifier over a session of its own with that many threads."""
        twin = type(self).__new__(type(self))
        twin.__setstate__({**self.__getstate__(), "options": self.options._replace(threads=threads)})
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self._model.source, "options": self.options, "limits": self._limits, "exact": self._exact}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._limits, self._exact = state["limits"], state["exact"]
        self._model = LoadedModel(state["model"], state["options"])

    def __repr__(self) -> str:
        where = self.name if isinstance(self._model.source, bytes) else repr(self.name)
        return f"<Classifier {self.info.model!r}, {self.info.precision}, {len(self.labels)} labels, {where}>"


def _file_or_bytes(model: object) -> str | bytes:
    if model is None:
        return model_source(default_model())
    if isinstance(model, bytes | bytearray | memoryview):
        return bytes(model)
    if isinstance(model, str | os.PathLike):
        return model_source(model)
    raise SpecError(must_be("model", "a path, the name of a model, or the bytes of a model file", model))
