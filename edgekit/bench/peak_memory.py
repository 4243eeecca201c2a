"""How much memory a model file needs, measured in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

_TIME_LIMIT_S = 120
# VmHWM and not getrusage: Linux counts the parent's memory into a child's ru_maxrss.
_PROGRAM = """
import sys
from edgekit import Classifier
Classifier(sys.argv[1], threads=1).warmup()
lines = open("/proc/self/status").read().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))
"""


def peak_memory_bytes(path: str | os.PathLike[str]) -> int | None:
    """The largest resident size of a process that opens the artifact and predicts once, interpreter and all.

    None where the system does not say (it is read from Linux's /proc).
    """
    command = [sys.executable, "-c", _PROGRAM, os.fspath(path)]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIME_LIMIT_S)
        return int(done.stdout) * 1024
    except (subprocess.SubprocessError, OSError, ValueError):
        return None
