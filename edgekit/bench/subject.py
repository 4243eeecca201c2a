"""What is benchmarked: a model file, run by edgekit or as a plain script would run it."""

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
from edgekit.bench import naive_script
from edgekit.errors import ArtifactError
from edgekit.files import sha256
from edgekit.hub.shipped import model_path
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.session import SessionOptions, open_session

Style: TypeAlias = Literal["edgekit", "naive"]

_SIDE = 224  # of a third-party model's input whose height or width is open
_INPUT_TYPES = ("tensor(float)", "tensor(uint8)")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """One model file in one style.

    info: None for a third-party file, of which only the network can be measured. feed: what the network is run on.
    """

    name: str
    path: Path
    model: bytes
    style: Style
    info: ArtifactInfo | None
    feed: Mapping[str, npt.NDArray[Any]]

    @property
    def precision(self) -> str:
        """As the file states it; "-" for a third-party file."""
        return self.info.precision if self.info else "-"

    @property
    def outputs(self) -> list[str] | None:
        """The outputs that are computed: the logits by edgekit, all of them (None) by a plain script."""
        return ["logits"] if self.info and self.style == "edgekit" else None

    def session(self, *, threads: int | None) -> ort.InferenceSession:
        """A new session; a plain script always uses onnxruntime's default threads."""
        if self.style == "naive":
            return naive_script.open_session(str(self.path))
        return open_session(self.model, name=str(self.path), options=SessionOptions(threads=threads))

    def session_opener(self) -> Callable[[], object]:
        """A function that opens a session, on all threads, and drops it."""
        return partial(self.session, threads=None)

    def network(self, *, threads: int | None) -> Callable[[], object]:
        """A function that runs the network once, on one image."""
        return partial(self.session(threads=threads).run, self.outputs, self.feed)

    def file_to_label(self, image: Path) -> Callable[[], object] | None:
        """A function that predicts the image from its file; None for a third-party model run by edgekit."""
        if self.style == "naive":
            return partial(naive_script.predict, self.session(threads=None), str(image))
        return partial(Classifier(self.path).predict, image) if self.info else None


def open_subject(path_or_name: str | os.PathLike[str], *, style: Style = "edgekit") -> Subject:
    """The file of a path or of a shipped model's name; any .onnx file with one float32 or uint8 image input.

    Raises ArtifactError, before anything is loaded, for a file that the guard refuses, and for another input.
    """
    path = model_path(path_or_name)
    model = read_model(path)
    check_model(model, name=str(path))
    info = _read_info(model, str(path))
    feed = noise_feed(open_session(model, name=str(path)), str(path))
    name = path.stem if style == "edgekit" else f"{path.stem} (naive)"
    return Subject(name=name, path=path, model=model, style=style, info=info, feed=feed)


def open_naive(subject: Subject) -> Subject:
    """The same file as a plain script runs it. Raises ArtifactError for an input that is not laid out as usual."""
    (pixels,) = subject.feed.values()
    if pixels.shape[3 if pixels.dtype == np.uint8 else 1] not in (1, 3):
        raise ArtifactError(
            f"{subject.path}: a plain script feeds (N, C, H, W) floats or (N, H, W, C) bytes, not {pixels.shape}"
        )
    return open_subject(subject.path, style="naive")


def open_parent(subject: Subject) -> Subject:
    """The float32 file that an int8 one was made from, found beside it. Raises ArtifactError if it is not there."""
    parent_sha256 = subject.info.parent_sha256 if subject.info else None
    if parent_sha256 is None or subject.precision == "float32":
        raise ArtifactError(f"{subject.path}: no float32 parent is known of it; --against takes its path")
    for path in sorted(subject.path.parent.glob("*.onnx")):
        if sha256(read_model(path)) == parent_sha256:
            return open_subject(path)
    raise ArtifactError(f"{subject.path}: its float32 parent does not lie beside it; --against takes its path")


def _read_info(model: bytes, name: str) -> ArtifactInfo | None:
    try:
        is_artifact = "edgekit" in read_metadata(model)
    except ArtifactError as error:
        raise ArtifactError(f"{name}: {error}") from None
    return parse_info(model, name=name) if is_artifact else None


def noise_feed(session: ort.InferenceSession, name: str) -> dict[str, npt.NDArray[Any]]:
    """One image of noise, in the shape of the session's input. Raises ArtifactError for another kind of input."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in _INPUT_TYPES or len(inputs[0].shape) != 4:
        described = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
        raise ArtifactError(
            f"{name}: bench runs files of one float32 or uint8 input of 4 dimensions, not {described:.300}"
        )
    batch, *shape = inputs[0].shape
    if (isinstance(batch, int) and batch != 1) or not any(isinstance(extent, int) for extent in (shape[0], shape[-1])):
        raise ArtifactError(f"{name}: bench runs one image of a known number of channels, not {inputs[0].shape}")
    size = (1, *(extent if isinstance(extent, int) else _SIDE for extent in shape))
    noise = np.random.default_rng(0).integers(0, 256, size)
    is_uint8 = inputs[0].type == "tensor(uint8)"
    return {inputs[0].name: noise.astype(np.uint8) if is_uint8 else (noise / 127.5 - 1).astype(np.float32)}
