"""Progress on stderr: a bar on a terminal, a line for every tenth elsewhere. stdout is never touched."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from edgekit.cli.render import write_message

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from edgekit.train.callbacks import Progress as TrainingProgress

# Work that takes no longer needs no lines; training prints one for each epoch anyway.
_QUIET_S, _QUIET_TRAINING_S = 10.0, 60.0


class Meter(Protocol):
    """Shows how far some work is."""

    def __call__(self, done: int, total: int | None, *, stage: str | None = None, facts: str = "") -> None:
        """Show a state.

        Args:
            done: number of finished steps.
            total: number of all steps; None if unknown.
            stage: what is being done, if that changes.
            facts: current values, such as a loss.
        """


@contextmanager
def progress_bar(title: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each of `total` steps."""
    done, begin = 0, time.monotonic()
    with _meter(title) as show:
        show(0, total)

        def advance() -> None:
            nonlocal done
            done += 1
            show(done, total, facts=f"{done / (time.monotonic() - begin or 1e-9):.1f}/s")

        yield advance


@contextmanager
def stage_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function to call with the name of a stage, the number of finished steps and the total."""
    with _meter("") as show:
        yield lambda stage, done, total: show(done, total, stage=stage)


@contextmanager
def download_progress() -> Iterator[Callable[[int, int | None], None]]:
    """Yield a function to call with the number of bytes received and the total, None if unknown."""
    with _meter("downloading", in_bytes=True) as show:
        yield lambda done, total: show(done, total)


@contextmanager
def training_progress() -> Iterator[Callable[[TrainingProgress], None]]:
    """Yield a function to call after each training step; shows loss, accuracy and images per second.

    Only the first of the processes that torchrun starts shows progress.
    """
    if os.environ.get("RANK", "0") != "0":
        yield lambda step: None
        return
    with _meter("training", quiet_s=_QUIET_TRAINING_S) as show:

        def show_step(step: TrainingProgress) -> None:
            facts = f"loss {step.loss:.3f}  acc {step.accuracy:.3f}  {step.images_per_s:.0f}/s"
            done = (step.epoch - 1) * step.steps + step.step
            show(done, step.epochs * step.steps, facts=f"epoch {step.epoch}/{step.epochs}  {facts}")

        yield show_step


@contextmanager
def _meter(title: str, *, in_bytes: bool = False, quiet_s: float = _QUIET_S) -> Iterator[Meter]:
    if not sys.stderr.isatty():
        yield _Lines(title, in_bytes=in_bytes, quiet_s=quiet_s)
        return
    from rich.console import Console
    from rich.progress import Progress

    # stdout is not redirected: rich would print its lines on the terminal of the bar instead of stdout.
    console = Console(stderr=True)
    with Progress(*_columns(in_bytes=in_bytes), console=console, transient=True, redirect_stdout=False) as progress:
        task, current = progress.add_task(title, total=None, facts=""), title

        def show(done: int, total: int | None, *, stage: str | None = None, facts: str = "") -> None:
            nonlocal current
            if stage is not None and stage != current:
                current = stage
                progress.reset(task)
            progress.update(task, description=current, completed=done, total=total, facts=facts)

        yield show


def _columns(*, in_bytes: bool) -> tuple[str | ProgressColumn, ...]:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    title, bar, remaining = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    if in_bytes:
        return title, bar, DownloadColumn(), TransferSpeedColumn(), remaining
    return title, bar, MofNCompleteColumn(), TextColumn("{task.fields[facts]}"), remaining


class _Lines:
    """Prints a line for every tenth of work that takes more than a few seconds."""

    def __init__(self, title: str, *, in_bytes: bool, quiet_s: float) -> None:
        self._title, self._in_bytes, self._quiet_s = title, in_bytes, quiet_s
        self._begin = self._last = time.monotonic()
        self._tenths = 0

    def __call__(self, done: int, total: int | None, *, stage: str | None = None, facts: str = "") -> None:
        if stage is not None and stage != self._title:
            self._title, self._begin, self._tenths = stage, self._last, 0  # it began when the one before ended
        self._last = time.monotonic()
        seconds = self._last - self._begin
        tenths = 10 * done // total if total else 0
        if tenths <= self._tenths or seconds < self._quiet_s:
            return
        self._tenths = tenths
        if total and done < total:
            counts = f"{self._count(done)} of {self._count(total)}"
            remaining = _clock(seconds / done * (total - done))
            write_message(f"{self._title}: {10 * tenths}% ({counts}), {remaining} left  {facts}".rstrip())

    def _count(self, number: int) -> str:
        return f"{number / 1e6:.1f} MB" if self._in_bytes else str(number)


def _clock(seconds: float) -> str:
    """A duration as 2:05 or 1:02:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
