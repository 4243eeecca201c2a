"""Progress of long work: its stages, each with the number of finished steps and their total."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

# Called with the name of a stage, the number of its finished steps and of all its steps; None if they are not counted.
StageProgress: TypeAlias = Callable[[str, int, int | None], None]


def no_progress(stage: str, done: int, total: int | None) -> None:
    """Report nothing."""


def step_counter(progress: StageProgress, stage: str, total: int) -> Callable[[], None]:
    """Report that a stage begins, and return a function to call after each of its steps.

    Args:
        progress: where to report.
        stage: name of the stage.
        total: number of its steps.
    """
    done = 0
    progress(stage, done, total)

    def step() -> None:
        nonlocal done
        done += 1
        progress(stage, done, total)

    return step
