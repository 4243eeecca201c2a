"""A model file with its session: looked through, opened, run, and opened anew in a forked child."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from edgekit.artifact.guard.scan import ModelLimits, check_model
from edgekit.artifact.info import ArtifactInfo, info_in, is_ort_format, parse_info, read_model
from edgekit.errors import ArtifactError, EdgekitError
from edgekit.image.load import Pixels
from edgekit.runtime.run_limits import run, time_limit_s
from edgekit.runtime.session import (
    MAX_FIXED_BATCH,
    first_line,
    fixed_batch,
    open_session,
    open_trusted_session,
    run_batches,
)

if TYPE_CHECKING:
    import numpy.typing as npt

LOGITS, FEATURES = "logits", "features"


class OpenedModel:
    """An artifact that runs. Threads may share it; it pickles as what it was made with.

    Raises ArtifactError for a file that is not an artifact, or that holds what no classifier needs.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int | None,
        limits: ModelLimits,
        provider: str | None,
        trusted: bool,
    ) -> None:
        # Absolute: a pickled or forked one may find itself in another folder.
        self.path = os.path.abspath(path)  # noqa: PTH100  (keeps links)
        self.threads, self.limits, self.provider, self.trusted = threads, limits, provider, trusted
        self.info: ArtifactInfo
        self._session: ort.InferenceSession | None
        self.info, self._session = self._open()
        self._process = os.getpid()

    def run(self, output: str, batch: Pixels) -> npt.NDArray[np.float32]:
        """float32 (N, values) of one output for uint8 pixels (N, height, width, channels).

        Raises ArtifactError where the graph has no such output, fails, or answers another thing than it says.
        """
        session = self._opened()
        if output != LOGITS and output not in self.outputs:
            raise ArtifactError(f"{self.path}: has no output {output!r}; export the model with it")
        try:
            limited = functools.partial(run, limit_s=self._limit_s * max(1, len(batch)))
            answer = run_batches(session, batch, output=output, run=limited)
        except ArtifactError as error:
            raise ArtifactError(f"{self.path}: stopped: {error}") from None
        except Exception as error:  # onnxruntime raises classes of its own that are not public
            raise ArtifactError(f"{self.path}: onnxruntime cannot run it: {first_line(error)}") from None
        return self._checked(answer, output, len(batch))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what the graph puts out."""
        return tuple(output.name for output in self._opened().get_outputs())

    def close(self) -> None:
        """Give the session's memory and threads back; running it after that is an error."""
        self._session = None

    def _checked(self, answer: npt.NDArray[Any], output: str, pictures: int) -> npt.NDArray[np.float32]:
        """The answer, if it is finite values of that many pictures; onnxruntime only warns of a strange shape."""
        shape = (pictures, len(self.info.labels)) if output == LOGITS else (pictures, *answer.shape[1:])
        if answer.dtype != np.float32 or answer.ndim < 2 or answer.shape != shape:
            raise ArtifactError(
                f"{self.path}: its {output} are {answer.dtype} {answer.shape} for {pictures} pictures of "
                f"{len(self.info.labels)} labels"
            )
        if not np.isfinite(answer).all():
            raise ArtifactError(f"{self.path}: its {output} are not finite; the model is broken")
        return answer

    def _opened(self) -> ort.InferenceSession:
        session = self._session
        if session is None:
            raise EdgekitError(f"{self.path}: the classifier is closed")
        if self._process == os.getpid():
            return session
        # In a forked child. Two threads may both come here; each opens one, and the last stays.
        info, session = self._open()
        if info != self.info:
            raise ArtifactError(f"{self.path}: the file has changed since it was opened")
        self._session = session
        self._process = os.getpid()
        return session

    def _open(self) -> tuple[ArtifactInfo, ort.InferenceSession]:
        name = self.path
        model = read_model(self.path, max_bytes=self.limits.max_bytes)
        self._limit_s = time_limit_s(len(model))
        info, session = _open_artifact(
            model,
            name=name,
            threads=self.threads,
            provider=self.provider,
            limits=self.limits,
            trusted=self.trusted,
        )
        _check_interface(session, info, name)
        return info, session


def _open_artifact(
    model: bytes, *, name: str, threads: int | None, provider: str | None, limits: ModelLimits, trusted: bool
) -> tuple[ArtifactInfo, ort.InferenceSession]:
    """Look through an artifact called `name` in messages, and open it.

    trusted: a file of onnxruntime's own format (.ort), which cannot be looked through, is opened as well. Raises
    ArtifactError for what is not an artifact, is refused, or does not load.
    """
    if is_ort_format(model):
        return _open_trusted(model, name, threads, provider, trusted)
    info = parse_info(model, name=name)
    check_model(model, name=name, limits=limits)
    return info, open_session(model, name=name, threads=threads, provider=provider)


def _open_trusted(
    model: bytes, name: str, threads: int | None, provider: str | None, trusted: bool
) -> tuple[ArtifactInfo, ort.InferenceSession]:
    if not trusted:
        raise ArtifactError(
            f"{name}: refused: onnxruntime's own format cannot be looked through before it is loaded; give the .onnx "
            f"file, or trusted=True (--trusted) if you made this one"
        )
    session = open_trusted_session(model, name=name, threads=threads, provider=provider)
    try:
        metadata = session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError:
        raise ArtifactError(f"{name}: the metadata is not UTF-8") from None
    return info_in(metadata, name=name), session


def _check_interface(session: ort.InferenceSession, info: ArtifactInfo, name: str) -> None:
    """The graph must be what its metadata says: any number of raw pictures in, one logit for each label out."""
    inputs = [(i.name, i.type, tuple(i.shape[1:])) for i in session.get_inputs()]
    expected = ("pixels", "tensor(uint8)", (*info.preprocess.crop, info.preprocess.channels))
    if inputs != [expected]:
        raise ArtifactError(f"{name}: its input is {inputs}, but its metadata says {expected}")
    batch = fixed_batch(session)
    if batch is not None and not 1 <= batch <= MAX_FIXED_BATCH:
        raise ArtifactError(f"{name}: it takes {batch} pictures at a time; at most {MAX_FIXED_BATCH} are allowed")
    outputs = {o.name: (o.type, tuple(o.shape[1:])) for o in session.get_outputs()}
    if outputs.get(LOGITS) != ("tensor(float)", (len(info.labels),)):
        raise ArtifactError(f"{name}: its outputs are {outputs}, but it has {len(info.labels)} labels")
