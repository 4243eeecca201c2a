"""Whole processes that answer once: how long they take, and how much memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from edgekit.bench import naive_script as naive
from edgekit.bench.subject import Subject
from edgekit.errors import EdgekitError
from edgekit.evaluate.timing import Seconds, in_turn

COLD_ROUNDS = 7
_CHILD_S = 300.0


def cold_starts(
    subjects: Sequence[Subject], picture: Path, on_step: Callable[[], None]
) -> tuple[list[Seconds], list[int]]:
    """Seconds of whole processes, in turn, and the most memory that each subject's took."""
    most = [0] * len(subjects)

    def start(number: int) -> None:
        most[number] = max(most[number], _in_child(subjects[number], picture))

    return in_turn(
        [partial(start, number) for number in range(len(subjects))], rounds=COLD_ROUNDS, round_s=0, on_round=on_step
    ), most


def _in_child(subject: Subject, picture: Path) -> int:
    """Answer once in a process of its own; its peak memory in bytes."""
    environment = dict(os.environ)
    if subject.style == "naive":
        environment.pop("ORT_DISABLE_TELEMETRY", None)  # set by edgekit's import; a plain script knows nothing of it
        command = [sys.executable, "-P", naive.__file__, str(subject.path), str(picture)]
    else:
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        pictures = [str(picture)] if subject.info else []
        command = [sys.executable, "-P", "-m", "edgekit.bench.child_process", str(subject.path), *pictures]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_CHILD_S, check=True)
        return int(json.loads(done.stdout)["peak_bytes"])
    except subprocess.TimeoutExpired:
        raise EdgekitError(f"{subject.path}: a process did not answer within {_CHILD_S:.0f} s") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise EdgekitError(f"{subject.path}: a process could not run it: {''.join(said)}") from None
