"""onnxruntime sessions as edgekit wants them: no more threads than there are cores, and none that spins for long."""

from __future__ import annotations

import math
import os
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnxruntime as ort

from edgekit.artifact.guard.model_limits import DEFAULT_MODEL_LIMITS, ModelLimits
from edgekit.errors import ArtifactError, SpecError
from edgekit.runtime.cpu import available_threads, check_threads
from edgekit.runtime.run_limits import run, use_bounded_memory

if TYPE_CHECKING:
    import numpy.typing as npt

_FATAL_SEVERITY = 4  # what is less comes back as an exception; onnxruntime would write it to stderr as well
_SPIN_US = 20
_CPU = "CPUExecutionProvider"
MAX_FIXED_BATCH = 256  # where the graph fixes it, one image costs as much as the whole batch, in memory too

# Every session of this process, so that a forked child can keep its hands off them.
_sessions: weakref.WeakSet[ort.InferenceSession] = weakref.WeakSet()


class SessionOptions(NamedTuple):
    """How a model file is opened.

    threads: of one run; available_threads where None. provider: an execution provider of onnxruntime, such as "cuda";
    the CPU where None. trusted: also a file of onnxruntime's own format, which cannot be validated beforehand. limits:
    what a model may be.
    """

    threads: int | None = None
    provider: str | None = None
    trusted: bool = False
    limits: ModelLimits = DEFAULT_MODEL_LIMITS


DEFAULT_OPTIONS = SessionOptions()


def open_session(
    model: bytes, *, name: str, options: SessionOptions = DEFAULT_OPTIONS, ort_format: bool = False
) -> ort.InferenceSession:
    """A session over the bytes of a model file called `name` in messages, which was validated or made here.

    ort_format: the bytes are of onnxruntime's own format, and of no other. Raises ArtifactError for a model that
    onnxruntime refuses, SpecError for a provider that is not here and for a wrong setting in the environment.
    """
    provider = _full_name(options.provider)
    threads = available_threads() if options.threads is None else check_threads(options.threads, "threads")
    settings = _session_settings(threads, "ORT" if ort_format else "ONNX")
    try:
        # Without the fallback, which prints what happened and tries the same once more. And without folding constants:
        # an artifact was simplified when it was made, and what an untrusted file computes while loading nothing stops.
        session = ort.InferenceSession(
            model,
            settings,
            providers=[provider],
            enable_fallback=0,
            disabled_optimizers=["ConstantFolding"],
        )
    except Exception as error:  # onnxruntime raises classes of its own that are not public
        raise ArtifactError(f"{name}: onnxruntime cannot load it: {first_line(error)}") from None
    if session.get_providers()[0] != provider:  # it is built in, but its libraries or its device are not here
        raise SpecError(f"execution provider {provider} did not start; onnxruntime would take {_CPU} instead")
    _sessions.add(session)
    return session


def _session_settings(threads: int, model_format: str) -> ort.SessionOptions:
    settings = ort.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = _FATAL_SEVERITY
    # A thread spins for the next layer only, which comes within microseconds. onnxruntime's own spinning burns a core
    # between two images and is slower where others want it; none at all costs a third of a small network's time.
    settings.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPIN_US))
    settings.add_session_config_entry("session.force_spinning_stop", "1")
    # Or onnxruntime looks at the bytes itself, and might see a file of its own format where the guard saw ONNX.
    settings.add_session_config_entry("session.load_model_format", model_format)
    use_bounded_memory(settings)
    return settings


def fixed_batch(session: ort.InferenceSession) -> int | None:
    """How many images the graph takes at a time; None where it takes any number."""
    batch = session.get_inputs()[0].shape[0]
    return batch if isinstance(batch, int) else None


def run_batches(
    session: ort.InferenceSession, pixels: npt.NDArray[Any], *, output: str = "logits", limit_s: float = math.inf
) -> npt.NDArray[Any]:
    """The named output for any number of images; a fixed batch is filled up with zeros, whose outputs are dropped.

    limit_s and what is raised: as for run_limits.run, for each call of the session.
    """
    size, name = fixed_batch(session), session.get_inputs()[0].name
    if size in (None, len(pixels)):
        return run(session, [output], {name: pixels}, limit_s=limit_s)[0]
    rows = []
    for start in range(0, max(len(pixels), 1), size):
        part = pixels[start : start + size]
        filled = np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), part.dtype)])
        rows.append(run(session, [output], {name: filled}, limit_s=limit_s)[0][: len(part)])
    return np.concatenate(rows)


def _abandon_sessions() -> None:
    """In a forked child, keep every session for ever, past the end of the interpreter.

    Their threads stayed with the parent, and whoever destroys such a session waits for them without end.
    """
    import ctypes

    for session in list(_sessions):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session._sess))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_sessions)


def _full_name(name: str | None) -> str:
    """The full name of it; `cuda` and the like stand for CUDAExecutionProvider and the like."""
    if name is None:
        return _CPU
    available: list[str] = ort.get_available_providers()
    short = str(name).lower().removesuffix("executionprovider")
    full_name = next((full for full in available if full.lower().removesuffix("executionprovider") == short), None)
    if full_name is None:
        raise SpecError(f"onnxruntime has no execution provider {str(name)!r:.100} here; it has {', '.join(available)}")
    return full_name


def first_line(error: Exception) -> str:
    """The first line of what onnxruntime says; the others are its stack."""
    return (str(error).splitlines() or [type(error).__name__])[0]
