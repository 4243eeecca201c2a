"""What this machine is, for the record beside a measurement."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgekit.runtime.session import available_threads

_CPUINFO = Path("/proc/cpuinfo")
# Instructions that decide how fast int8 is, by the names Linux gives them on x86 and on Arm.
_INT8_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")


def machine() -> dict[str, Any]:
    """Processor, usable cores, the instructions that matter for int8, and the versions that predictions depend on."""
    return {"cores": available_threads(), **processor()}


def processor() -> dict[str, Any]:
    """As machine, but for the cores, which a wrong EDGEKIT_NUM_THREADS would make an error."""
    facts = _cpu_facts()
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    return {
        "processor": facts.get("model name", platform.processor() or platform.machine()),
        "architecture": platform.machine(),
        "int8_features": [name for name in _INT8_FEATURES if name in flags],
        "versions": {name: version(name) for name in ("edgekit", "numpy", "onnxruntime", "pillow")},
        "python": platform.python_version(),
        "system": platform.system(),
    }


def _cpu_facts() -> dict[str, str]:
    """The first processor's entries of /proc/cpuinfo; none where there is no such file."""
    try:
        lines = _CPUINFO.read_text().partition("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}
