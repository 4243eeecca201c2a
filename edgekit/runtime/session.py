"""onnxruntime sessions as edgekit wants them: no more threads than there are cores, and none that spins."""

from __future__ import annotations

import math
import os
from pathlib import Path

import onnxruntime as ort

from edgekit.errors import ArtifactError, SpecError

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_ERROR_SEVERITY = 3


def open_session(model: bytes, *, name: str, threads: int | None = None) -> ort.InferenceSession:
    """A CPU session over the bytes of a model file called `name` in messages.

    threads: as available_threads decides when None. Raises ArtifactError for a model that onnxruntime refuses.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = available_threads() if threads is None else _checked(threads, "threads")
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERROR_SEVERITY
    # Spinning threads burn a core between two pictures and are slower where the machine is shared.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own that are not public
        raise ArtifactError(f"{name}: onnxruntime cannot load it: {_first_line(error)}") from None


def available_threads() -> int:
    """EDGEKIT_NUM_THREADS, else the cores that this process may use by its affinity and its cgroup's quota."""
    wanted = os.environ.get("EDGEKIT_NUM_THREADS")
    if wanted:
        return _checked(wanted, "EDGEKIT_NUM_THREADS")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _cgroup_cores()))


def _checked(value: int | str, name: str) -> int:
    try:
        count = int(value)
    except ValueError:
        count = 0
    if count < 1:
        raise SpecError(f"{name} must be a whole number of at least 1, not {value!r}")
    return count


def _cgroup_cores() -> int:
    """The cgroup's CPU quota in whole cores, rounded up; a large number where there is none."""
    try:
        quota, period = _CGROUP_QUOTA.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):  # no cgroup v2 here, or "max"
        return 2**16


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
