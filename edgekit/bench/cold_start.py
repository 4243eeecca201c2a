"""Whole processes that answer once: how long they take, and how much memory."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from edgekit.bench import naive_script as naive
from edgekit.bench.subject import Subject
from edgekit.errors import EdgekitError
from edgekit.evaluate.timing import Seconds, in_turn
from edgekit.runtime.child_process import run_python

COLD_ROUNDS = 7
_CHILD_S = 300.0


def cold_starts(
    subjects: Sequence[Subject], picture: Path, on_step: Callable[[], None]
) -> tuple[list[Seconds], list[int]]:
    """Seconds of whole processes, in turn, and the most memory that each subject's took."""
    most = [0] * len(subjects)

    def start(number: int) -> None:
        most[number] = max(most[number], _predict_once(subjects[number], picture))

    return in_turn(
        [partial(start, number) for number in range(len(subjects))], rounds=COLD_ROUNDS, round_s=0, on_round=on_step
    ), most


def _predict_once(subject: Subject, picture: Path) -> int:
    """Predict once in a process of its own; its peak memory in bytes."""
    environment = dict(os.environ)
    if subject.style == "naive":
        environment.pop("ORT_DISABLE_TELEMETRY", None)  # set by edgekit's import; a plain script knows nothing of it
        arguments = [naive.__file__, str(subject.path), str(picture)]
    else:
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        pictures = [str(picture)] if subject.info else []
        arguments = ["-m", "edgekit.bench.predict_once", str(subject.path), *pictures]
    try:
        printed = run_python("-P", *arguments, timeout_s=_CHILD_S, environment=environment)
    except EdgekitError as error:
        raise EdgekitError(f"{subject.path}: a process could not run it: {error}") from None
    return int(json.loads(printed)["peak_bytes"])
