"""How much memory a model file needs, measured in a process of its own."""

from __future__ import annotations

import os

from edgekit.errors import EdgekitError
from edgekit.runtime.child_process import run_python

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

    None if the system does not report it (it is read from Linux's /proc).
    """
    try:
        return int(run_python("-c", _PROGRAM, path, timeout_s=_TIME_LIMIT_S)) * 1024
    except (EdgekitError, ValueError):
        return None
