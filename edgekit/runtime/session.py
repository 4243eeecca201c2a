"""onnxruntime sessions as edgekit wants them: no more threads than there are cores, and none that spins for long."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import onnxruntime as ort

from edgekit.errors import ArtifactError, SpecError
from edgekit.runtime.memory import use_bounded_memory

if TYPE_CHECKING:
    import numpy.typing as npt

_CGROUP_QUOTA = "/sys/fs/cgroup/cpu.max"
_FATAL_SEVERITY = 4  # what is less comes back as an exception; onnxruntime would write it to stderr as well
_MAX_THREADS = 256
_SPIN_US = 20
_CPU = "CPUExecutionProvider"
MAX_FIXED_BATCH = 256  # where the graph fixes it, one picture costs as much as the whole batch, in memory too

RunOne: TypeAlias = "Callable[[ort.InferenceSession, str, dict[str, npt.NDArray[Any]]], npt.NDArray[Any]]"

# Every session of this process, so that a forked child can keep its hands off them.
_sessions: weakref.WeakSet[ort.InferenceSession] = weakref.WeakSet()


def open_session(
    model: bytes, *, name: str, threads: int | None = None, provider: str | None = None
) -> ort.InferenceSession:
    """A session over the bytes of an .onnx file called `name` in messages.

    threads: as available_threads decides when None. provider: an execution provider of onnxruntime, the CPU's when
    None. Raises ArtifactError for a model that onnxruntime refuses, SpecError for a provider that is not here.
    """
    return _session(model, name, threads, provider, "ONNX")


def open_trusted_session(
    model: bytes, *, name: str, threads: int | None = None, provider: str | None = None
) -> ort.InferenceSession:
    """As open_session, for a file of onnxruntime's own format, which nothing can look through beforehand."""
    return _session(model, name, threads, provider, "ORT")


def _session(
    model: bytes, name: str, threads: int | None, provider: str | None, model_format: str
) -> ort.InferenceSession:
    providers = [_checked_provider(provider)]
    options = ort.SessionOptions()
    options.intra_op_num_threads = available_threads() if threads is None else _checked(threads, "threads")
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_SEVERITY
    # A thread spins for the next layer only, which comes within microseconds. onnxruntime's own spinning burns a core
    # between two pictures and is slower where others want it; none at all costs a third of a small network's time.
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPIN_US))
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # Or onnxruntime looks at the bytes itself, and might see a file of its own format where the guard saw ONNX.
    options.add_session_config_entry("session.load_model_format", model_format)
    use_bounded_memory(options)
    try:
        # Without the fallback, which prints what happened and tries the same once more. And without folding constants:
        # an artifact was simplified when it was made, and what a stranger computes while loading nothing can stop.
        session = ort.InferenceSession(
            model, options, providers=providers, enable_fallback=0, disabled_optimizers=["ConstantFolding"]
        )
    except Exception as error:  # onnxruntime raises classes of its own that are not public
        raise ArtifactError(f"{name}: onnxruntime cannot load it: {first_line(error)}") from None
    if session.get_providers()[0] != providers[0]:  # it is built in, but its libraries or its device are not here
        raise SpecError(f"execution provider {providers[0]} did not start; onnxruntime would take {_CPU} instead")
    _sessions.add(session)
    return session


def fixed_batch(session: ort.InferenceSession) -> int | None:
    """How many pictures the graph takes at a time; None where it takes any number."""
    batch = session.get_inputs()[0].shape[0]
    return batch if isinstance(batch, int) else None


def run_batches(
    session: ort.InferenceSession, pixels: npt.NDArray[Any], *, output: str = "logits", run: RunOne
) -> npt.NDArray[Any]:
    """The named output for any number of pictures; a fixed batch is filled up with zeros, whose answers are dropped.

    run: what one call of the session is made with.
    """
    size = fixed_batch(session)
    name = session.get_inputs()[0].name
    if size in (None, len(pixels)):
        return run(session, output, {name: pixels})
    answers = []
    for start in range(0, max(len(pixels), 1), size):
        part = pixels[start : start + size]
        filled = np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), part.dtype)])
        answers.append(run(session, output, {name: filled})[: len(part)])
    return np.concatenate(answers)


def _abandon_sessions() -> None:
    """In a forked child, keep every session for ever, past the end of the interpreter.

    Their threads stayed with the parent, and whoever destroys such a session waits for them without end.
    """
    import ctypes

    for session in list(_sessions):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session._sess))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_sessions)


def _checked_provider(name: str | None) -> str:
    """The full name of it; `cuda` and the like stand for CUDAExecutionProvider and the like."""
    if name is None:
        return _CPU
    there: list[str] = ort.get_available_providers()
    wanted = str(name).lower().removesuffix("executionprovider")
    found = next((full for full in there if full.lower().removesuffix("executionprovider") == wanted), None)
    if found is None:
        raise SpecError(f"onnxruntime has no execution provider {str(name)!r:.100} here; it has {', '.join(there)}")
    return found


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
        with open(_CGROUP_QUOTA, encoding="ascii") as file:
            quota, period = file.read().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):  # no cgroup v2 here, or "max"
        return 2**16


def first_line(error: Exception) -> str:
    """The first line of what onnxruntime says; the others are its stack."""
    return (str(error).splitlines() or [type(error).__name__])[0]
