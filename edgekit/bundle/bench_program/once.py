"""Processes that start, open a model, predict once and end: cold start and peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from .kit import KitError, open_session
from .progress import Progress
from .quartiles import quartiles

MOST_ROUNDS = 5
_TIME_LIMIT_S = 600


def measure_starts(commands: Sequence[Sequence[str]], *, rounds: int, progress: Progress) -> list[dict[str, Any]]:
    """Start each command in turn: what `predict_once` prints, and the time of the whole process.

    rounds: how often; at most `MOST_ROUNDS`.
    """
    rounds = min(rounds, MOST_ROUNDS)
    sessions: list[list[float]] = [[] for _ in commands]
    wholes: list[list[float]] = [[] for _ in commands]
    peaks: list[int | None] = [None for _ in commands]
    progress.begin("cold starts", rounds * len(commands))
    for _ in range(rounds):
        for position, command in enumerate(commands):
            start = time.perf_counter()
            printed = _run(command)
            wholes[position].append((time.perf_counter() - start) * 1e3)
            sessions[position].append(printed["session_ms"])
            if printed["peak_memory_bytes"] is not None:
                peaks[position] = max(peaks[position] or 0, printed["peak_memory_bytes"])
            progress.step()
    return [
        {"session_ms": quartiles(session), "cold_start_ms": quartiles(whole), "peak_memory_bytes": peak}
        for session, whole, peak in zip(sessions, wholes, peaks, strict=True)
    ]


def _run(command: Sequence[str]) -> dict[str, Any]:
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIME_LIMIT_S)
    except (OSError, subprocess.SubprocessError) as error:
        lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise KitError(f"{command[-2]}: a process that predicts once failed: {lines[-1]}") from None
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def predict_once(path: str, target: str) -> None:
    """Open the model and run it on a black image; print how long opening took, and the peak memory of the process."""
    start = time.perf_counter()
    session = open_session(path, target, threads=1)
    session_ms = (time.perf_counter() - start) * 1e3
    model_input = session.get_inputs()[0]
    session.run(None, {model_input.name: np.zeros((1, *model_input.shape[1:]), np.uint8)})
    sys.stdout.write(json.dumps({"session_ms": session_ms, "peak_memory_bytes": peak_memory_bytes()}))


def peak_memory_bytes() -> int | None:
    """Peak resident memory of this process in bytes; None where it cannot be read."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):  # not Linux
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
