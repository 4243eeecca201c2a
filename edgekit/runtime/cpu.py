"""The processor: the number of threads this process may use, and the instructions that decide how fast int8 is."""

from __future__ import annotations

import math
import os
import platform
from numbers import Integral
from typing import Any

from edgekit.errors import SpecError, must_be

_CPUINFO, _CGROUP_QUOTA = "/proc/cpuinfo", "/sys/fs/cgroup/cpu.max"
_THREADS_VARIABLE, _MAX_THREADS = "EDGEKIT_NUM_THREADS", 256
_PREDICT_WITH = ("numpy", "onnxruntime", "pillow")  # the packages whose versions may change a prediction
# Instructions that decide how fast int8 is, by their names in Linux on x86 and on Arm.
_INT8_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
# With one of these, x86 sums products of bytes in 32 bits; with AVX alone it sums pairs in 16 bits, which saturate.
VNNI = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


def available_threads() -> int:
    """EDGEKIT_NUM_THREADS, or the cores that this process may use by its affinity and the quota of its cgroup."""
    setting = os.environ.get(_THREADS_VARIABLE)
    if setting:
        return check_threads(int(setting) if setting.isdecimal() else setting, _THREADS_VARIABLE)
    quota = cgroup_quota()
    return max(1, min(affinity_cores(), _MAX_THREADS if quota is None else math.ceil(quota), _MAX_THREADS))


def check_threads(value: object, name: str) -> int:
    """The number of threads `value`. Raises SpecError, which calls it `name`, if it is not an integer from 1 to 256."""
    if isinstance(value, Integral) and not isinstance(value, bool) and 1 <= int(value) <= _MAX_THREADS:
        return int(value)
    raise SpecError(must_be(name, f"an integer from 1 to {_MAX_THREADS}", value))


def affinity_cores() -> int:
    """Number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cgroup_quota() -> float | None:
    """Number of cores by the CPU quota of the cgroup; None if there is no quota."""
    try:
        with open(_CGROUP_QUOTA, encoding="ascii") as file:
            quota, period = file.read().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no cgroup v2, or "max"
        return None


def machine() -> dict[str, Any]:
    """Processor, available cores, the instructions that matter for int8, and the versions that affect predictions."""
    return {"cores": available_threads(), **processor()}


def processor() -> dict[str, Any]:
    """As `machine`, without the cores, for which an invalid EDGEKIT_NUM_THREADS is an error."""
    from edgekit import __version__  # here, because `edgekit predict` needs only what is below
    from edgekit.runtime.requirements import installed_version

    facts = _cpu_facts()
    return {
        "processor": facts.get("model name", platform.processor() or platform.machine()),
        "architecture": platform.machine(),
        "int8_features": _int8_features(facts),
        "versions": {"edgekit": __version__, **{name: installed_version(name) for name in _PREDICT_WITH}},
        "python": platform.python_version(),
        "system": platform.system(),
    }


def int8_features() -> list[str]:
    """The instructions of this processor that matter for int8; empty if they cannot be read."""
    return _int8_features(_cpu_facts())


def _int8_features(facts: dict[str, str]) -> list[str]:
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    return [name for name in _INT8_FEATURES if name in flags]


def _cpu_facts() -> dict[str, str]:
    """The entries of the first processor in /proc/cpuinfo; none if there is no such file."""
    try:
        with open(_CPUINFO, encoding="utf-8") as file:
            lines = file.read().partition("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}
