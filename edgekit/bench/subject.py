"""The subject of a benchmark: a model file, run by edgekit or as a plain script would run it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.info import ArtifactInfo, parse_info, read_model
from edgekit.artifact.metadata import read_metadata
from edgekit.bench import naive_script
from edgekit.errors import ArtifactError, SpecError, quote
from edgekit.files import sha256
from edgekit.hub.model_files import model_path
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.session import SessionOptions, open_session
from edgekit.runtime.targets import is_timed_here

Style: TypeAlias = Literal["edgekit", "naive"]

_SIDE = 224  # pixels, for third-party models with a dynamic height or width
_INPUT_TYPES = ("tensor(float)", "tensor(uint8)")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """A model file and the way it is run.

    Attributes:
        name: name in tables.
        path: the model file.
        model: bytes of the model file.
        style: "edgekit", or "naive" for a plain script.
        info: the file's metadata; None for a third-party model, of which only the network can be measured.
        feed: inputs to run the network on.
    """

    name: str
    path: Path
    model: bytes
    style: Style
    info: ArtifactInfo | None
    feed: Mapping[str, npt.NDArray[Any]]

    @property
    def precision(self) -> str:
        """The precision in the file's metadata; "-" for a third-party model."""
        return self.info.precision if self.info else "-"

    @property
    def target(self) -> str | None:
        """The processor that the file was quantized for; None if it states none."""
        return self.info.target if self.info else None

    @property
    def outputs(self) -> list[str] | None:
        """The outputs to compute: the logits with edgekit, all of them (None) in a plain script."""
        return ["logits"] if self.info and self.style == "edgekit" else None

    def session(self, *, threads: int | None) -> ort.InferenceSession:
        """Open a session; a plain script always uses onnxruntime's default number of threads."""
        if self.style == "naive":
            return naive_script.open_session(str(self.path))
        return open_session(
            self.model, name=str(self.path), options=SessionOptions(threads=threads), target=self.target
        )

    def session_opener(self) -> Callable[[], object]:
        """A function that opens a session with all threads and discards it."""
        return partial(self.session, threads=None)

    def network(self, *, threads: int | None) -> Callable[[], object]:
        """A function that runs the network once on one image."""
        return partial(self.session(threads=threads).run, self.outputs, self.feed)

    def file_to_label(self, image: Path) -> Callable[[], object] | None:
        """A function that predicts an image file; None for a third-party model run by edgekit."""
        if self.style == "naive":
            return partial(naive_script.predict, self.session(threads=None), str(image))
        return partial(Classifier(self.path).predict, image) if self.info else None


def open_subject(path_or_name: str | os.PathLike[str], *, style: Style = "edgekit") -> Subject:
    """Open a model to benchmark.

    Args:
        path_or_name: an .onnx file with one float32 or uint8 image input, or the name of a built-in model.
        style: how to run it: "edgekit", or "naive" for a plain script.

    Raises:
        ArtifactError: the file is rejected by the validation before loading, or has other inputs.
        SpecError: it was quantized for a processor whose speed this machine cannot tell.

    Example:
        >>> from edgekit.bench.subject import open_subject
        >>> open_subject("lenet5-mnist-int8").precision
        'int8'
    """
    path = model_path(path_or_name)
    model = read_model(path)
    check_model(model, name=str(path))
    info = _read_info(model, str(path))
    if info is not None and not is_timed_here(info.target):
        raise SpecError(
            f"{path}: not measured here, because it was quantized for {info.target}; to measure it there, run "
            f"`edgekit bundle {shlex.quote(str(path))} --for python --bench -o kit`"
        )
    feed = noise_feed(open_session(model, name=str(path)), str(path))
    name = path.stem if style == "edgekit" else f"{path.stem} (naive)"
    return Subject(name=name, path=path, model=model, style=style, info=info, feed=feed)


def open_naive(subject: Subject) -> Subject:
    """The same file as a plain script runs it.

    Raises:
        ArtifactError: the input is neither float32 (N, C, H, W) nor uint8 (N, H, W, C) with 1 or 3 channels.
    """
    (pixels,) = subject.feed.values()
    if pixels.shape[3 if pixels.dtype == np.uint8 else 1] not in (1, 3):
        raise ArtifactError(
            f"{subject.path}: a plain script needs a float32 (N, C, H, W) or uint8 (N, H, W, C) input with 1 or 3 "
            f"channels (got {pixels.dtype} {pixels.shape})"
        )
    return open_subject(subject.path, style="naive")


def open_parent(subject: Subject) -> Subject:
    """Find the float32 model that an int8 model was quantized from, in the same folder, by its checksum.

    Raises:
        ArtifactError: the model does not state a parent, or the parent is not in the folder.
    """
    parent_sha256 = subject.info.parent_sha256 if subject.info else None
    if parent_sha256 is None or subject.precision == "float32":
        raise ArtifactError(f"{subject.path}: does not state its float32 parent; compare with a model file instead")
    for path in sorted(subject.path.parent.glob("*.onnx")):
        if sha256(read_model(path)) == parent_sha256:
            return open_subject(path)
    raise ArtifactError(f"{subject.path}: the float32 parent is not in the same folder; give its path instead")


def _read_info(model: bytes, name: str) -> ArtifactInfo | None:
    try:
        is_artifact = "edgekit" in read_metadata(model)
    except ArtifactError as error:
        raise ArtifactError(f"{name}: {error}") from None
    return parse_info(model, name=name) if is_artifact else None


def noise_feed(session: ort.InferenceSession, name: str) -> dict[str, npt.NDArray[Any]]:
    """An image of noise as the input of a session.

    Args:
        session: the model.
        name: name of the file, for error messages.

    Returns:
        The input's name and its array with a batch of one image; dynamic heights and widths become 224.

    Raises:
        ArtifactError: the model does not have a single float32 or uint8 image input.
    """
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in _INPUT_TYPES or len(inputs[0].shape) != 4:
        described = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
        raise ArtifactError(
            f"{name}: a benchmark needs one float32 or uint8 input with 4 dimensions (got {quote(described)})"
        )
    batch, *shape = inputs[0].shape
    if (isinstance(batch, int) and batch != 1) or not any(isinstance(extent, int) for extent in (shape[0], shape[-1])):
        raise ArtifactError(
            f"{name}: a benchmark needs an input of one image with a fixed number of channels (got shape "
            f"{quote(inputs[0].shape)})"
        )
    size = (1, *(extent if isinstance(extent, int) else _SIDE for extent in shape))
    noise = np.random.default_rng(0).integers(0, 256, size)
    is_uint8 = inputs[0].type == "tensor(uint8)"
    return {inputs[0].name: noise.astype(np.uint8) if is_uint8 else (noise / 127.5 - 1).astype(np.float32)}
