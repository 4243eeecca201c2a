"""onnxruntime sessions with edgekit's settings: no more threads than cores, and none that spins for long."""

from __future__ import annotations

import math
import os
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnxruntime as ort

from edgekit.artifact.guard.model_limits import DEFAULT_MODEL_LIMITS, ModelLimits
from edgekit.errors import ArtifactError, SpecError, quote, truncated
from edgekit.runtime.cpu import available_threads, check_threads
from edgekit.runtime.run_limits import run, use_bounded_memory
from edgekit.runtime.targets import session_settings

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_FATAL_SEVERITY = 4  # anything less severe is raised as an exception; onnxruntime would write it to stderr as well
_MAX_ERROR = 200  # characters
_SPIN_US = 20
_CPU = "CPUExecutionProvider"
MAX_FIXED_BATCH = 256  # if the graph fixes it, one image costs as much time and memory as the whole batch

# Every session of this process, so that a forked child can leave them alone.
_sessions: weakref.WeakSet[ort.InferenceSession] = weakref.WeakSet()


class SessionOptions(NamedTuple):
    """How a model file is opened: the `options` of a Classifier.

    Attributes:
        threads: threads for one run, 1 to 256; None for EDGEKIT_NUM_THREADS or the cores available to the process.
        provider: execution provider of onnxruntime, such as "cuda"; None for the CPU.
        trusted: whether a file in onnxruntime's own format, which cannot be validated, is accepted.
        limits: limits on the size and structure of the model file.

    Example:
        >>> from edgekit import Classifier
        >>> Classifier(threads=2).options.threads
        2
    """

    threads: int | None = None
    provider: str | None = None
    trusted: bool = False
    limits: ModelLimits = DEFAULT_MODEL_LIMITS


DEFAULT_OPTIONS = SessionOptions()


def open_session(
    model: bytes | Path,
    *,
    name: str,
    options: SessionOptions = DEFAULT_OPTIONS,
    ort_format: bool = False,
    prepacking: bool = True,
    target: str | None = None,
) -> ort.InferenceSession:
    """Open a session over a model that was validated or made here, its bytes or its file; messages call it `name`.

    ort_format: whether the bytes are in onnxruntime's own format. prepacking: whether weights are rearranged for speed,
    for which VGG needs 480 MB of the memory for runs as soon as there are two images. target: the processor that the
    model was quantized for, as which it is computed on every machine (`targets.session_settings`). Raises ArtifactError
    for a model that onnxruntime rejects, SpecError for a provider that is not available and for an invalid setting in
    the environment.
    """
    provider = _full_name(options.provider)
    threads = available_threads() if options.threads is None else check_threads(options.threads, "threads")
    settings = _session_settings(threads, "ORT" if ort_format else "ONNX")
    if not prepacking:
        settings.add_session_config_entry("session.disable_prepacking", "1")
    for key, value in session_settings(target).items():
        settings.add_session_config_entry(key, value)
    try:
        # Without the fallback, which prints the error and tries the same again. And without constant folding: artifacts
        # are simplified when they are made, and nothing would stop what an untrusted file computes while it loads.
        session = ort.InferenceSession(
            model,
            settings,
            providers=[provider],
            enable_fallback=0,
            disabled_optimizers=["ConstantFolding"],
        )
    except Exception as error:  # onnxruntime's own exception classes are not public
        raise ArtifactError(f"{name}: onnxruntime cannot load it: {first_line(error)}") from None
    if session.get_providers()[0] != provider:  # it is compiled in, but its libraries or its device are missing
        raise SpecError(f"execution provider {provider} did not start; onnxruntime would silently use {_CPU}")
    _sessions.add(session)
    return session


def _session_settings(threads: int, model_format: str) -> ort.SessionOptions:
    settings = ort.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = _FATAL_SEVERITY
    # A thread spins only until the next layer, which comes within microseconds. onnxruntime's default spinning burns a
    # core between two images, and is slower if other programs want it; no spinning costs a third of a small network's
    # time.
    settings.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPIN_US))
    settings.add_session_config_entry("session.force_spinning_stop", "1")
    # Otherwise onnxruntime guesses from the bytes, and might see its own format where the guard saw ONNX.
    settings.add_session_config_entry("session.load_model_format", model_format)
    use_bounded_memory(settings)
    return settings


def fixed_batch(session: ort.InferenceSession) -> int | None:
    """The batch size that the graph fixes, or None if it accepts any."""
    batch = session.get_inputs()[0].shape[0]
    return batch if isinstance(batch, int) else None


def run_batches(
    session: ort.InferenceSession, pixels: npt.NDArray[Any], *, output: str = "logits", limit_s: float = math.inf
) -> npt.NDArray[Any]:
    """Run one output for any number of images. A fixed batch is padded with zeros, whose outputs are dropped.

    limit_s and errors: as for run_limits.run, for each run of the session.
    """
    pixels_input = session.get_inputs()[0]
    size, name = pixels_input.shape[0], pixels_input.name
    if not isinstance(size, int) or size == len(pixels):
        return run(session, [output], {name: pixels}, limit_s=limit_s)[0]
    rows = []
    for start in range(0, max(len(pixels), 1), size):
        part = pixels[start : start + size]
        filled = np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), part.dtype)])
        rows.append(run(session, [output], {name: filled}, limit_s=limit_s)[0][: len(part)])
    return np.concatenate(rows)


def _abandon_sessions() -> None:
    """In a forked child, keep every session alive, even past the end of the interpreter.

    Their threads exist only in the parent, and destroying such a session would wait for them forever.
    """
    import ctypes

    for session in list(_sessions):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session._sess))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_sessions)


def _full_name(name: str | None) -> str:
    """The full name of an execution provider: "cuda" stands for CUDAExecutionProvider, and so on."""
    if name is None:
        return _CPU
    available: list[str] = ort.get_available_providers()
    short = name.lower().removesuffix("executionprovider") if isinstance(name, str) else ""
    full_name = next((full for full in available if full.lower().removesuffix("executionprovider") == short), None)
    if full_name is None:
        raise SpecError(f"no execution provider {quote(name)} in this onnxruntime; available: {', '.join(available)}")
    return full_name


def first_line(error: Exception) -> str:
    """The first line of an error of onnxruntime, shortened; the others are its stack."""
    return truncated((str(error).splitlines() or [type(error).__name__])[0], _MAX_ERROR)
