"""The memory that a model file needs, measured in a separate process."""

from __future__ import annotations

import os

from edgekit.errors import EdgekitError
from edgekit.runtime.child_process import run_python

_TIME_LIMIT_S = 120
# VmHWM rather than getrusage, because Linux includes the parent's memory in a child's ru_maxrss.
_PROGRAM = """
import sys
from edgekit import Classifier
Classifier(sys.argv[1], threads=1).warmup()
lines = open("/proc/self/status").read().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))
"""


def peak_memory_bytes(path: str | os.PathLike[str]) -> int | None:
    """Measure the peak memory of a process that opens a model and predicts once, including the interpreter.

    Args:
        path: an edgekit model file.

    Returns:
        Peak resident memory in bytes; None if the process fails, or without /proc (outside Linux).
    """
    try:
        return int(run_python("-c", _PROGRAM, path, timeout_s=_TIME_LIMIT_S)) * 1024
    except (EdgekitError, ValueError):
        return None
