"""The processor: how many threads this process may use, and the instructions that decide how fast int8 is."""

from __future__ import annotations

import math
import os
import platform
from typing import Any

from edgekit.errors import SpecError

_CPUINFO, _CGROUP_QUOTA = "/proc/cpuinfo", "/sys/fs/cgroup/cpu.max"
_MAX_THREADS = 256
# Instructions that decide how fast int8 is, by the names Linux gives them on x86 and on Arm.
_INT8_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
# With one of these, x86 adds products of bytes in 32 bits; with AVX alone two of them in 16, which saturate.
VNNI = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
_EXACT_TARGET = "x86-avx2"  # the one whose weights are scaled so that no such sum saturates


def available_threads() -> int:
    """EDGEKIT_NUM_THREADS, else the cores that this process may use by its affinity and its cgroup's quota."""
    setting = os.environ.get("EDGEKIT_NUM_THREADS")
    if setting:
        return check_threads(setting, "EDGEKIT_NUM_THREADS")
    quota = cgroup_quota()
    return max(1, min(affinity_cores(), _MAX_THREADS if quota is None else math.ceil(quota), _MAX_THREADS))


def check_threads(value: int | str, name: str) -> int:
    """The number of threads that `value` is. Raises SpecError, calling it `name`, for one that is not possible."""
    try:
        count = int(value) if isinstance(value, int | str) else 0
    except ValueError:
        count = 0
    if not 1 <= count <= _MAX_THREADS:
        raise SpecError(f"{name} must be a whole number from 1 to {_MAX_THREADS}, not {value!r}")
    return count


def affinity_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cgroup_quota() -> float | None:
    """Cores by the cgroup's CPU quota; None where there is none."""
    try:
        with open(_CGROUP_QUOTA, encoding="ascii") as file:
            quota, period = file.read().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no cgroup v2 here, or "max"
        return None


def machine() -> dict[str, Any]:
    """Processor, usable cores, the instructions that matter for int8, and the versions that predictions depend on."""
    return {"cores": available_threads(), **processor()}


def processor() -> dict[str, Any]:
    """As machine, but for the cores, which a wrong EDGEKIT_NUM_THREADS would make an error."""
    from importlib.metadata import version  # slow to import, and `edgekit predict` needs only what is below

    facts = _cpu_facts()
    return {
        "processor": facts.get("model name", platform.processor() or platform.machine()),
        "architecture": platform.machine(),
        "int8_features": _int8_features(facts),
        "versions": {name: version(name) for name in ("edgekit", "numpy", "onnxruntime", "pillow")},
        "python": platform.python_version(),
        "system": platform.system(),
    }


def overflow_warning(target: str | None) -> str | None:
    """What to say where integers made for this target overflow on this processor; None where they do not.

    A processor whose instructions cannot be read is not accused.
    """
    # arm64's too: on x86 onnxruntime makes signed activations unsigned ones before it multiplies.
    features = _int8_features(_cpu_facts()) if target not in (None, _EXACT_TARGET) else []
    if "avx2" not in features or VNNI & set(features):
        return None
    return (
        f"its integers are made for {target}; this processor has no VNNI, so they overflow and answers are worse: "
        f"quantize with --target {_EXACT_TARGET}, which is exact on every processor"
    )


def _int8_features(facts: dict[str, str]) -> list[str]:
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    return [name for name in _INT8_FEATURES if name in flags]


def _cpu_facts() -> dict[str, str]:
    """The first processor's entries of /proc/cpuinfo; none where there is no such file."""
    try:
        with open(_CPUINFO, encoding="utf-8") as file:
            lines = file.read().partition("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}
