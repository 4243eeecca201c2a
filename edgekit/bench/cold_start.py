"""Cold start: the time and peak memory of whole processes that predict once."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from edgekit.bench import naive_script
from edgekit.bench.subject import Subject
from edgekit.errors import EdgekitError
from edgekit.evaluate.timing import Seconds, time_in_turn
from edgekit.runtime.child_process import run_python

COLD_ROUNDS = 7
_TIME_LIMIT_S = 300.0


def measure_cold_starts(
    subjects: Sequence[Subject], image: Path, on_step: Callable[[], None]
) -> tuple[list[Seconds], list[int]]:
    """Measure processes that predict once and end, in turn.

    Args:
        subjects: what to measure.
        image: the image file to predict.
        on_step: called after each of `COLD_ROUNDS` rounds.

    Returns:
        For each subject, float64 (rounds, 1) seconds, and its peak memory in bytes.

    Raises:
        EdgekitError: a process failed.
    """
    peak_bytes = [0] * len(subjects)

    def start(position: int) -> None:
        peak_bytes[position] = max(peak_bytes[position], _predict_once(subjects[position], image))

    starts = [partial(start, position) for position in range(len(subjects))]
    return time_in_turn(starts, rounds=COLD_ROUNDS, round_s=0, on_round=on_step), peak_bytes


def _predict_once(subject: Subject, image: Path) -> int:
    """Predict once in a separate process; returns its peak memory in bytes."""
    environment = dict(os.environ)
    if subject.style == "naive":
        environment.pop("ORT_DISABLE_TELEMETRY", None)  # set by importing edgekit, which a plain script does not import
        arguments = [naive_script.__file__, str(subject.path), str(image)]
    else:
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        arguments = ["-m", "edgekit.bench.predict_once", str(subject.path), *([str(image)] if subject.info else [])]
    try:
        output = run_python("-P", *arguments, timeout_s=_TIME_LIMIT_S, environment=environment)
    except EdgekitError as error:
        raise EdgekitError(f"{subject.path}: a process that predicts once failed: {error}") from None
    return int(json.loads(output)["peak_bytes"])
