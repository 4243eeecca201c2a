"""A model file and its session: validated, opened, run, and opened again in a forked child."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from edgekit.artifact.info import ArtifactInfo, info_from_metadata, parse_info, read_model
from edgekit.artifact.metadata import is_ort_format
from edgekit.errors import ArtifactError, EdgekitError, SpecError, listed, quote
from edgekit.image.jpeg_decoder import decoder_imported_meanwhile
from edgekit.image.source import Pixels
from edgekit.runtime.run_limits import time_limit_s
from edgekit.runtime.session import (
    MAX_FIXED_BATCH,
    SessionOptions,
    first_line,
    fixed_batch,
    open_session,
    run_batches,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from edgekit.artifact.guard.costs import CheckedGraph

LOGITS, FEATURES = "logits", "features"
_BYTES_NAME = "model bytes"


class LoadedModel:
    """An artifact that runs. Threads may share it.

    source: path or bytes of the model file. name: what messages call bytes. Raises ArtifactError for a file that is not
    an artifact, or contains what no classifier needs.
    """

    def __init__(self, source: str | bytes, options: SessionOptions, *, name: str = _BYTES_NAME) -> None:
        # Absolute, because a pickled or forked one may be opened in another folder. abspath does not resolve links.
        self.source = source if isinstance(source, bytes) else os.path.abspath(source)  # noqa: PTH100
        self.options = options
        self._bytes_name = name
        self.info: ArtifactInfo
        self._session: ort.InferenceSession | None
        self._graph: CheckedGraph | None  # of a file that can be validated
        self._checked_batches: set[int]  # the sizes of batches whose costs were checked
        self.info, self._session = self._open()
        self._process = os.getpid()

    @property
    def name(self) -> str:
        """What messages call the model."""
        return self._bytes_name if isinstance(self.source, bytes) else self.source

    def run(self, output: str, batch: Pixels) -> npt.NDArray[np.float32]:
        """Run one output: float32 (N, values) for uint8 pixels (N, height, width, channels).

        Raises SpecError for pixels of another type or shape, and ArtifactError if the graph has no such output, fails,
        or returns values of another type or shape than it states.
        """
        session = self._session_here()
        self._check_pixels(batch)
        self._check_costs(batch)
        if not len(batch) and output == LOGITS:
            return np.empty((0, len(self.info.labels)), np.float32)
        if output != LOGITS and output not in self.outputs:
            raise ArtifactError(
                f"{self.name}: has no output {quote(output)}; its outputs are {listed(map(quote, self.outputs))}"
            )
        try:
            values = run_batches(session, batch, output=output, limit_s=self._limit_s * max(1, len(batch)))
        except ArtifactError as error:
            raise ArtifactError(f"{self.name}: {error}") from None
        except Exception as error:  # onnxruntime's own exception classes are not public
            raise ArtifactError(f"{self.name}: onnxruntime cannot run it: {first_line(error)}") from None
        return self._checked(values, output, len(batch))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the graph's outputs."""
        return tuple(output.name for output in self._session_here().get_outputs())

    def close(self) -> None:
        """Release the session's memory and threads. Running it after that is an error."""
        self._session = None

    def _check_pixels(self, batch: Pixels) -> None:
        expected = (*self.info.preprocess.crop, self.info.preprocess.channels)
        if not isinstance(batch, np.ndarray) or batch.dtype != np.uint8 or batch.shape[1:] != expected:
            actual = f"{batch.dtype} {batch.shape}" if isinstance(batch, np.ndarray) else type(batch).__name__
            raise SpecError(f"`batch` must be uint8 (N, {', '.join(map(str, expected))}), got {actual}")

    def _check_costs(self, batch: Pixels) -> None:
        """The guard checked the costs of one image, but those of a batch may grow faster than its size."""
        if self._graph is not None and len(batch) not in self._checked_batches:
            self._graph.check_costs(batch.shape)
            self._checked_batches.add(len(batch))

    def _checked(self, values: npt.NDArray[Any], output: str, images: int) -> npt.NDArray[np.float32]:
        """The values, if they are finite and have the stated shape; onnxruntime only warns of another shape."""
        shape = (images, len(self.info.labels)) if output == LOGITS else (images, *values.shape[1:])
        if values.dtype != np.float32 or values.ndim < 2 or values.shape != shape:
            raise ArtifactError(
                f"{self.name}: its {output} for {images} images and {len(self.info.labels)} labels are {values.dtype} "
                f"{values.shape}; the model is broken"
            )
        if not np.isfinite(values).all():
            raise ArtifactError(f"{self.name}: its {output} are not finite; the model is broken")
        return values

    def _session_here(self) -> ort.InferenceSession:
        """The session of this process: a forked child opens its own."""
        session = self._session
        if session is None:
            raise EdgekitError(f"{self.name}: the classifier is closed")
        if self._process == os.getpid():
            return session
        # Two threads of the child may both arrive here: each opens a session, and the last one stays.
        info, session = self._open()
        if info != self.info:
            raise ArtifactError(f"{self.name}: the file has changed since it was opened")
        self._session = session
        self._process = os.getpid()
        return session

    def _open(self) -> tuple[ArtifactInfo, ort.InferenceSession]:
        """Read, validate and open the model."""
        from edgekit.artifact.guard.scan import check_model  # here, because importing edgekit opens no model

        name, options = self.name, self.options
        model = self._read()
        self._limit_s = time_limit_s(len(model))
        self._graph, self._checked_batches = None, {0, 1}
        if is_ort_format(model):
            info, session = _open_trusted(model, name, options)
        else:
            info = parse_info(model, name=name)
            self._graph = check_model(model, name=name, limits=options.limits)
            with decoder_imported_meanwhile():
                session = open_session(model, name=name, options=options, target=info.target)
        _check_interface(session, info, name)
        return info, session

    def _read(self) -> bytes:
        max_bytes = self.options.limits.max_bytes
        if not isinstance(self.source, bytes):
            return read_model(self.source, max_bytes=max_bytes)
        if len(self.source) > max_bytes:
            raise ArtifactError(f"{self.name}: {len(self.source)} bytes, more than the limit of {max_bytes} bytes")
        return self.source


def _open_trusted(model: bytes, name: str, options: SessionOptions) -> tuple[ArtifactInfo, ort.InferenceSession]:
    if not options.trusted:
        raise ArtifactError(
            f"{name}: refused: onnxruntime's own format cannot be validated before it is loaded; use the .onnx file, "
            "or allow this one with `trusted` if you created it"
        )
    session = open_session(model, name=name, options=options, ort_format=True)
    try:
        metadata = session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError:
        raise ArtifactError(f"{name}: the metadata is not UTF-8") from None
    return info_from_metadata(metadata, name=name), session


def _check_interface(session: ort.InferenceSession, info: ArtifactInfo, name: str) -> None:
    """Check that the graph is what its metadata states: any number of raw images in, one logit per label out."""
    inputs = [(i.name, i.type, tuple(i.shape[1:])) for i in session.get_inputs()]
    expected = ("pixels", "tensor(uint8)", (*info.preprocess.crop, info.preprocess.channels))
    if inputs != [expected]:
        raise ArtifactError(f"{name}: its input is {quote(inputs)}, but its metadata states {expected}")
    batch = fixed_batch(session)
    if batch is not None and not 1 <= batch <= MAX_FIXED_BATCH:
        raise ArtifactError(f"{name}: its batch size is fixed to {batch}; at most {MAX_FIXED_BATCH} is allowed")
    outputs = {o.name: (o.type, tuple(o.shape[1:])) for o in session.get_outputs()}
    if outputs.get(LOGITS) != ("tensor(float)", (len(info.labels),)):
        raise ArtifactError(f"{name}: its outputs are {quote(outputs)}, but it has {len(info.labels)} labels")
