"""What is measured: a model file, run by edgekit or as a plain script would run it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.info import ArtifactInfo, parse_info, read_metadata, read_model
from edgekit.bench import naive_script as naive
from edgekit.errors import ArtifactError
from edgekit.files import sha256
from edgekit.hub.shipped import model_path
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.session import SessionOptions, open_session

Style: TypeAlias = Literal["edgekit", "naive"]

_SIDE = 224  # of a stranger's input whose height or width is open
_TYPES = ("tensor(float)", "tensor(uint8)")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """One model file in one style.

    info: None for a stranger's file, of which only the network can be measured. feed: what the network is run on.
    """

    name: str
    path: Path
    model: bytes
    style: Style
    info: ArtifactInfo | None
    feed: Mapping[str, npt.NDArray[Any]]

    @property
    def precision(self) -> str:
        """What the file says; a stranger's says nothing."""
        return self.info.precision if self.info else "-"

    @property
    def outputs(self) -> list[str] | None:
        """What is asked of the network: edgekit takes the logits, and a plain script (None) all there is."""
        return ["logits"] if self.info and self.style == "edgekit" else None

    def session(self, *, threads: int | None) -> ort.InferenceSession:
        """A new session; a plain script's knows no threads but onnxruntime's default."""
        if self.style == "naive":
            return naive.open_session(str(self.path))
        return open_session(self.model, name=str(self.path), options=SessionOptions(threads=threads))

    def opening(self) -> Callable[[], object]:
        """A function that opens a session, on all threads, and drops it."""
        return partial(self.session, threads=None)

    def network(self, *, threads: int | None) -> Callable[[], object]:
        """A function that runs the network once, on one picture."""
        return partial(self.session(threads=threads).run, self.outputs, self.feed)

    def whole(self, picture: Path) -> Callable[[], object] | None:
        """A function that takes the picture from its file to its answer; None for a stranger's file run by edgekit."""
        if self.style == "naive":
            return partial(naive.predict, self.session(threads=None), str(picture))
        return partial(Classifier(self.path).predict, picture) if self.info else None


def open_subject(path_or_name: str | os.PathLike[str], *, style: Style = "edgekit") -> Subject:
    """The file of a path or of a shipped model's name; any .onnx file of one float32 or uint8 picture input.

    Raises ArtifactError, before anything is loaded, for a file that the guard refuses, and for another input.
    """
    path = model_path(path_or_name)
    model = read_model(path)
    check_model(model, name=str(path))
    info = _info(model, str(path))
    feed = feed_of(open_session(model, name=str(path)), str(path))
    name = path.stem if style == "edgekit" else f"{path.stem} (naive)"
    return Subject(name=name, path=path, model=model, style=style, info=info, feed=feed)


def as_naive(subject: Subject) -> Subject:
    """The same file as a plain script runs it. Raises ArtifactError for an input that is not laid out as usual."""
    (fed,) = subject.feed.values()
    if fed.shape[3 if fed.dtype == np.uint8 else 1] not in (1, 3):
        raise ArtifactError(
            f"{subject.path}: a plain script feeds (N, C, H, W) floats or (N, H, W, C) bytes, not {fed.shape}"
        )
    return open_subject(subject.path, style="naive")


def parent_of(subject: Subject) -> Subject:
    """The float32 file that an int8 one was made from, found beside it. Raises ArtifactError where it is not there."""
    wanted = subject.info.parent_sha256 if subject.info else None
    if wanted is None or subject.precision == "float32":
        raise ArtifactError(f"{subject.path}: no float32 parent is known of it; --against takes its path")
    for path in sorted(subject.path.parent.glob("*.onnx")):
        if sha256(read_model(path)) == wanted:
            return open_subject(path)
    raise ArtifactError(f"{subject.path}: its float32 parent does not lie beside it; --against takes its path")


def _info(model: bytes, name: str) -> ArtifactInfo | None:
    try:
        known = "edgekit" in read_metadata(model)
    except ArtifactError as error:
        raise ArtifactError(f"{name}: {error}") from None
    return parse_info(model, name=name) if known else None


def feed_of(session: ort.InferenceSession, name: str) -> dict[str, npt.NDArray[Any]]:
    """What a session can be run on: noise of its input's shape, one picture. Raises ArtifactError for another input."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in _TYPES or len(inputs[0].shape) != 4:
        said = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
        raise ArtifactError(f"{name}: bench runs files of one float32 or uint8 input of 4 dimensions, not {said:.300}")
    given = inputs[0]
    batch, *shape = given.shape
    if (isinstance(batch, int) and batch != 1) or not any(isinstance(extent, int) for extent in (shape[0], shape[-1])):
        raise ArtifactError(f"{name}: bench runs one picture of a known number of channels, not {given.shape}")
    size = (1, *(extent if isinstance(extent, int) else _SIDE for extent in shape))
    noise = np.random.default_rng(0).integers(0, 256, size)
    return {
        given.name: noise.astype(np.uint8) if given.type == "tensor(uint8)" else (noise / 127.5 - 1).astype(np.float32)
    }
