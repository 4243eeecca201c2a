"""onnxruntime sessions as edgekit wants them: no more threads than there are cores, and none that spins."""

from __future__ import annotations

import math
import os
import weakref
from pathlib import Path

import onnxruntime as ort

from edgekit.errors import ArtifactError, SpecError

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_FATAL_SEVERITY = 4  # what is less comes back as an exception; onnxruntime would write it to stderr as well
_MAX_THREADS = 256

# Every session of this process, so that a forked child can keep its hands off them.
_sessions: weakref.WeakSet[ort.InferenceSession] = weakref.WeakSet()


def open_session(model: bytes, *, name: str, threads: int | None = None) -> ort.InferenceSession:
    """A CPU session over the bytes of a model file called `name` in messages.

    threads: as available_threads decides when None. Raises ArtifactError for a model that onnxruntime refuses.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = available_threads() if threads is None else _checked(threads, "threads")
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_SEVERITY
    # Spinning threads burn a core between two pictures and are slower where the machine is shared.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Or onnxruntime looks at the bytes itself, and might see a file of its own format where the guard saw ONNX.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        # Without the fallback, which prints what happened and tries the same once more.
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # onnxruntime raises classes of its own that are not public
        raise ArtifactError(f"{name}: onnxruntime cannot load it: {first_line(error)}") from None
    _sessions.add(session)
    return session


def _abandon_sessions() -> None:
    """In a forked child, keep every session for ever, past the end of the interpreter.

    Their threads stayed with the parent, and whoever destroys such a session waits for them without end.
    """
    import ctypes

    for session in list(_sessions):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session._sess))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_sessions)


def available_threads() -> int:
    """EDGEKIT_NUM_THREADS, else the cores that this process may use by its affinity and its cgroup's quota."""
    wanted = os.environ.get("EDGEKIT_NUM_THREADS")
    if wanted:
        return _checked(wanted, "EDGEKIT_NUM_THREADS")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _cgroup_cores(), _MAX_THREADS))


def _checked(value: int | str, name: str) -> int:
    try:
        count = int(value) if isinstance(value, int | str) else 0
    except ValueError:
        count = 0
    if not 1 <= count <= _MAX_THREADS:
        raise SpecError(f"{name} must be a whole number from 1 to {_MAX_THREADS}, not {value!r}")
    return count


def _cgroup_cores() -> int:
    """The cgroup's CPU quota in whole cores, rounded up; a large number where there is none."""
    try:
        quota, period = _CGROUP_QUOTA.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):  # no cgroup v2 here, or "max"
        return 2**16


def first_line(error: Exception) -> str:
    """The first line of what onnxruntime says; the others are its stack."""
    return (str(error).splitlines() or [type(error).__name__])[0]
