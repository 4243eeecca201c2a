"""The predictor: pictures in, labels out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from edgekit import image as images
from edgekit.artifact import ArtifactInfo, parse_info, read_model
from edgekit.crops import CropPlan, plan_named
from edgekit.errors import ArtifactError, EdgekitError, ImageError, SpecError
from edgekit.image import DEFAULT_LIMITS, Limits, PictureSource, Pixels
from edgekit.postprocess import Score, best, softmax
from edgekit.runtime.guard import DEFAULT_MODEL_LIMITS, ModelLimits, check_model
from edgekit.runtime.session import first_line, open_session
from edgekit.runtime.shipped import DEFAULT_MODEL, model_path


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds spent on one picture: decoding, resampling and cutting, the network."""

    load_ms: float
    pixels_ms: float
    network_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the model says of one picture.

    top: the most probable classes, most probable first. probabilities: float64 of every class, in the order of the
    model's labels, the mean over the crops.
    """

    top: tuple[Score, ...]
    probabilities: npt.NDArray[np.float64]
    timings: Timings

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.top[0].label

    @property
    def probability(self) -> float:
        """Its probability, 0 to 1."""
        return self.top[0].probability

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: {"top": [{"label", "index", "probability"}, ...]}."""
        return {"top": [{"label": s.label, "index": s.index, "probability": s.probability} for s in self.top]}


class Classifier:
    """A model file, ready to predict.

    path: an .onnx file that edgekit made, or the name of a shipped model. threads: of one prediction; by default
    EDGEKIT_NUM_THREADS or the cores that this process may use. limits: what a picture may cost before it is refused;
    model_limits: what a model may be.

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
    ) -> None:
        # Absolute: a pickled or forked one may find itself in another folder.
        self._path, self._threads = Path(os.path.abspath(model_path(path))), threads  # noqa: PTH100  (keeps links)
        self._limits, self._model_limits = limits, model_limits
        model = self._read()
        self.info: ArtifactInfo = parse_info(model, name=str(self._path))
        check_model(model, name=str(self._path), limits=model_limits)
        self._session: ort.InferenceSession | None = self._open(model)
        self._process = os.getpid()

    def predict(self, image: PictureSource, *, top: int = 5, plan: str | int | CropPlan = "center") -> Prediction:
        """The most probable classes of one picture, by the mean of the probabilities over the plan's crops.

        image: whatever image.load takes. top: how many classes (all where there are fewer). plan: a crop plan or its
        name: center, flip, five, ten. Raises ImageError for a picture that cannot be read or is refused.
        """
        if top < 1:
            raise SpecError(f"top must be at least 1, not {top}")
        preprocess = self.info.preprocess
        start = time.perf_counter()
        picture = images.load(image, color=preprocess.color, limits=self._limits)
        loaded = time.perf_counter()
        pixels = preprocess.pixels(picture, plan_named(plan).views(images.size_of(picture), preprocess))
        cut = time.perf_counter()
        # One crop after the other: a batch of them is no faster on a CPU, and one shape keeps the memory small.
        logits = np.concatenate([self.logits(crop[None]) for crop in pixels])
        ran = time.perf_counter()
        probabilities = softmax(logits).mean(axis=0)
        timings = Timings((loaded - start) * 1e3, (cut - loaded) * 1e3, (ran - cut) * 1e3)
        return Prediction(best(probabilities, self.info.labels, top), probabilities, timings)

    def predict_many(
        self, images: Iterable[PictureSource], *, top: int = 5, plan: str | int | CropPlan = "center"
    ) -> Iterator[Prediction | ImageError]:
        """One answer for each picture, in order, as they are ready; a picture that fails answers its ImageError."""
        if isinstance(images, str | bytes):
            raise SpecError("predict_many takes several pictures; put the one into a list, or call predict")
        for picture in images:
            try:
                yield self.predict(picture, top=top, plan=plan)
            except ImageError as error:
                yield error

    def logits(self, batch: Pixels) -> npt.NDArray[np.float32]:
        """float32 (N, classes) for uint8 pixels (N, height, width, channels), as preprocess.pixels cuts them."""
        expected = (*self.info.preprocess.crop, self.info.preprocess.channels)
        if not isinstance(batch, np.ndarray) or batch.dtype != np.uint8 or batch.shape[1:] != expected:
            given = f"{batch.dtype} {batch.shape}" if isinstance(batch, np.ndarray) else type(batch).__name__
            raise SpecError(f"pixels must be uint8 (N, {', '.join(map(str, expected))}), not {given}")
        if not len(batch):
            return np.empty((0, len(self.info.labels)), np.float32)
        try:
            answer = self._opened().run(["logits"], {"pixels": batch})[0]
        except EdgekitError:
            raise
        except Exception as error:  # onnxruntime raises classes of its own that are not public
            raise ArtifactError(f"{self._path}: onnxruntime cannot run it: {first_line(error)}") from None
        return self._checked(answer, len(batch))

    def warmup(self) -> None:
        """Run the network once, so that the first prediction takes no longer than the next."""
        self.logits(np.zeros((1, *self.info.preprocess.crop, self.info.preprocess.channels), np.uint8))

    def close(self) -> None:
        """Give the session's memory and threads back; predicting after it is an error."""
        self._session = None

    def _checked(self, answer: npt.NDArray[Any], pictures: int) -> npt.NDArray[np.float32]:
        """The answer, if it is finite logits of that many pictures; onnxruntime only warns of a strange shape."""
        if answer.dtype != np.float32 or answer.shape != (pictures, len(self.info.labels)):
            raise ArtifactError(
                f"{self._path}: it answers {answer.dtype} {answer.shape} for {pictures} pictures of "
                f"{len(self.info.labels)} labels"
            )
        if not np.isfinite(answer).all():
            raise ArtifactError(f"{self._path}: its logits are not finite; the model is broken")
        return answer

    def _opened(self) -> ort.InferenceSession:
        session = self._session
        if session is None:
            raise EdgekitError(f"{self._path}: the classifier is closed")
        if self._process == os.getpid():
            return session
        # In a forked child. Two threads may both come here; each opens one, and the last stays.
        model = self._read()
        if parse_info(model, name=str(self._path)) != self.info:
            raise ArtifactError(f"{self._path}: the file has changed since it was opened")
        check_model(model, name=str(self._path), limits=self._model_limits)
        self._session = session = self._open(model)
        self._process = os.getpid()
        return session

    def _read(self) -> bytes:
        return read_model(self._path, max_bytes=self._model_limits.max_bytes)

    def _open(self, model: bytes) -> ort.InferenceSession:
        session = open_session(model, name=str(self._path), threads=self._threads)
        _check_interface(session, self.info, str(self._path))
        return session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {
            "path": self._path,
            "threads": self._threads,
            "limits": self._limits,
            "model_limits": self._model_limits,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state.pop("path"), **state)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"Classifier({str(self._path)!r}, {self.info.model}, {len(self.info.labels)} labels)"


def _check_interface(session: ort.InferenceSession, info: ArtifactInfo, name: str) -> None:
    """The graph must be what its metadata says: any number of raw pictures in, one logit for each label out."""
    inputs = [(i.name, i.type, tuple(i.shape[1:])) for i in session.get_inputs()]
    expected = ("pixels", "tensor(uint8)", (*info.preprocess.crop, info.preprocess.channels))
    if inputs != [expected]:
        raise ArtifactError(f"{name}: its input is {inputs}, but its metadata says {expected}")
    batch = session.get_inputs()[0].shape[0]
    if isinstance(batch, int) and batch != 1:
        raise ArtifactError(f"{name}: it takes {batch} pictures at a time and no other number")
    outputs = {o.name: (o.type, tuple(o.shape[1:])) for o in session.get_outputs()}
    if outputs.get("logits") != ("tensor(float)", (len(info.labels),)):
        raise ArtifactError(f"{name}: its outputs are {outputs}, but it has {len(info.labels)} labels")
