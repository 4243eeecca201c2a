"""What the device is: its processor, memory, system and versions, as far as they can be read."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

_LONGEST = 200  # characters of a text that the system supplies
# Processors of Arm Ltd. by the part number in /proc/cpuinfo, which has no names of them.
_ARM_LTD = "0x41"
_ARM_PARTS = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd40": "Neoverse-V1",
    "0xd41": "Cortex-A78",
    "0xd42": "Cortex-A78AE",
    "0xd44": "Cortex-X1",
    "0xd46": "Cortex-A510",
    "0xd47": "Cortex-A710",
    "0xd49": "Neoverse-N2",
    "0xd4b": "Cortex-A78C",
}


def device(root: Path = Path("/")) -> dict[str, Any]:
    """The device; None for what cannot be read. root: the file system, for tests."""
    processors = _processors(root)
    return {
        "name": _name(root),
        "processor": _processor(processors),
        "architecture": platform.machine(),
        "cores": cores(),
        "features": features(root),
        "memory_bytes": _memory_bytes(),
        "system": f"{platform.system()} {platform.release()}"[:_LONGEST],
    }


def versions() -> dict[str, str]:
    """The versions that figures depend on."""
    return {"onnxruntime": ort.__version__, "numpy": np.__version__, "python": platform.python_version()}


def features(root: Path = Path("/")) -> list[str] | None:
    """The names of the processor's instructions; None if they cannot be read. root: the file system, for tests."""
    first = next(iter(_processors(root)), {})
    names = first.get("flags", first.get("Features"))
    return names.split() if names else _mac_features()


def cores() -> int:
    """Number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processors(root: Path) -> list[dict[str, str]]:
    """The entries of each processor in /proc/cpuinfo; none outside Linux."""
    found = []
    for block in (_text(root / "proc/cpuinfo") or "").split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        entries = {key.strip(): value.strip() for key, separator, value in pairs if separator}
        if "processor" in entries:
            found.append(entries)
    return found


def _processor(processors: list[dict[str, str]]) -> str | None:
    """The name of the processor, or the names if it has several kinds of cores."""
    names = list(dict.fromkeys(filter(None, map(_core_name, processors))))
    name = ", ".join(names) or _sysctl("machdep.cpu.brand_string") or platform.processor()
    return name[:_LONGEST] or None


def _core_name(entries: dict[str, str]) -> str | None:
    part = entries.get("CPU part")
    if "model name" in entries or part is None:
        return entries.get("model name")
    implementer = entries.get("CPU implementer", "unknown")
    return _ARM_PARTS.get(part) if implementer == _ARM_LTD and part in _ARM_PARTS else f"Arm {implementer} {part}"


def _name(root: Path) -> str | None:
    """What the board or the computer is called."""
    product = root / "sys/devices/virtual/dmi/id"
    parts = (_text(root / "proc/device-tree/model"), _text(product / "sys_vendor"), _text(product / "product_name"))
    return (parts[0] or " ".join(filter(None, parts[1:])) or _sysctl("hw.model") or "")[:_LONGEST] or None


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows, or a system without these names
        return None


def _mac_features() -> list[str] | None:
    """The names of the instructions that macOS reports as available; None on other systems."""
    lines = (_sysctl("hw.optional") or "").splitlines()
    return [line.split(":")[0].split(".")[-1] for line in lines if line.endswith(": 1")] or None


def _sysctl(name: str) -> str | None:
    """What macOS reports under a name; None on other systems."""
    if platform.system() != "Darwin":
        return None
    option = ("-n",) if name != "hw.optional" else ()
    try:
        done = subprocess.run(("sysctl", *option, name), capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip("\0 \n")
    except OSError:
        return None
