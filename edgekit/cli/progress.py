"""Progress on stderr: a bar on a terminal, a line after two seconds and for every tenth elsewhere. Never on stdout."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Protocol

from edgekit.cli.render import write_message
from edgekit.stages import StageProgress, no_progress

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from edgekit.train.callbacks import Progress as TrainingProgress

# A stage that takes no longer needs no lines; training prints one for each epoch anyway.
_QUIET_S, _TRAINING, _QUIET_TRAINING_S = 2.0, "training", 60.0


class Meter(Protocol):
    """Shows how far some work is."""

    def __call__(self, done: int, total: int | None, *, stage: str | None = None, facts: str = "") -> None:
        """Show a state.

        Args:
            done: number of finished steps.
            total: number of all steps; None if unknown.
            stage: what is being done, if it may have changed.
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
def image_progress() -> Iterator[Callable[[int, int | None, str], None]]:
    """Yield a function to call with the number of predicted images, that of all, None if unknown, and current facts.

    Until it is first called, the images are being listed.
    """
    with _meter("listing images") as show:
        yield lambda done, total, facts: show(done, total, stage="predicting", facts=facts)


@contextmanager
def stage_progress() -> Iterator[StageProgress]:
    """Yield a function to call with the name of a stage, the number of finished steps and the total."""
    with _meter("starting") as show:
        yield lambda stage, done, total: show(done, total, stage=stage)


@contextmanager
def uncounted_stage(title: str) -> Iterator[None]:
    """Show that something is going on whose steps are not counted."""
    with _meter(title):
        yield


@contextmanager
def download_progress() -> Iterator[Callable[[int, int | None], None]]:
    """Yield a function to call with the number of bytes received and the total, None if unknown."""
    with _meter("downloading", in_bytes=True) as show:
        yield lambda done, total: show(done, total)


@contextmanager
def training_progress() -> Iterator[tuple[Callable[[TrainingProgress], None], StageProgress]]:
    """Yield a function to call after each training step, and one for other passes over the images.

    The bar shows loss, accuracy and images per second. Only the first of the processes that torchrun starts shows it.
    """
    if os.environ.get("RANK", "0") != "0":
        yield lambda step: None, no_progress
        return
    with _meter("preparing") as show:
        steps: tuple[int, int] | None = None  # finished ones and all, from the first one on

        def show_step(step: TrainingProgress) -> None:
            nonlocal steps
            steps = (step.epoch - 1) * step.steps + step.step, step.epochs * step.steps
            facts = f"loss {step.loss:.3f}  acc {step.accuracy:.3f}  {step.images_per_s:.0f}/s"
            show(*steps, stage=_TRAINING, facts=f"epoch {step.epoch}/{step.epochs}  {facts}")

        def show_stage(stage: str, done: int, total: int | None) -> None:
            if steps is None:
                show(done, total, stage=stage)
            else:  # between two steps, the bar stays that of the training
                show(*steps, stage=_TRAINING, facts=f"{stage} {done} of {total}")

        yield show_step, show_stage


@contextmanager
def _meter(title: str, *, in_bytes: bool = False) -> Iterator[Meter]:
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        with closing(_Lines(title, in_bytes=in_bytes)) as lines:
            yield lines
        return
    from rich.console import Console
    from rich.progress import Progress

    # stdout is not redirected: rich would print its lines on the terminal of the bar instead of stdout.
    # The terminal wraps what is printed above the bar, so that a command that is printed can be copied.
    console = Console(stderr=True, soft_wrap=True)
    with Progress(*_columns(in_bytes=in_bytes), console=console, transient=True, redirect_stdout=False) as progress:
        task, current = progress.add_task(title, total=None, count="", facts=""), title

        def show(done: int, total: int | None, *, stage: str | None = None, facts: str = "") -> None:
            nonlocal task, current
            is_new = stage is not None and stage != current
            if is_new:
                current = stage or ""
                progress.remove_task(task)  # and not reset, which would keep the total of a stage that is counted
                task = progress.add_task(current, total=None, count="", facts="")
            count = "" if total is None else f"{done}/{total}"
            progress.update(task, completed=done, total=total, count=count, facts=facts, refresh=is_new)

        yield show


def _columns(*, in_bytes: bool) -> tuple[str | ProgressColumn, ...]:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    title, bar, remaining = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    if in_bytes:
        return title, bar, DownloadColumn(), TransferSpeedColumn(), remaining
    return title, bar, TextColumn("{task.fields[count]}"), TextColumn("{task.fields[facts]}"), remaining


class _Lines:
    """Prints a line for a stage that takes more than two seconds, and then one for every tenth of it."""

    _begin: float
    _quiet_s: float
    _tenths: int
    _done: int
    _total: int | None
    _facts: str
    _timer: threading.Timer

    def __init__(self, title: str, *, in_bytes: bool) -> None:
        self._title, self._in_bytes = title, in_bytes
        self._last = time.monotonic()
        self._start()

    def __call__(self, done: int, total: int | None, *, stage: str | None = None, facts: str = "") -> None:
        if stage is not None and stage != self._title:
            self.close()
            self._title = stage
            self._start()
        self._last, self._done, self._total, self._facts = time.monotonic(), done, total, facts
        tenths = 10 * done // total if total else 0
        if tenths > self._tenths and self._last - self._begin >= self._quiet_s:
            self._tenths = tenths
            self._timer.cancel()
            if total and done < total:
                self._write()

    def close(self) -> None:
        """The stage is over."""
        self._timer.cancel()

    def _start(self) -> None:
        """Begin a stage: at the moment when the one before it ended."""
        self._begin, self._tenths, self._done, self._total, self._facts = self._last, 0, 0, None, ""
        self._quiet_s = _QUIET_TRAINING_S if self._title == _TRAINING else _QUIET_S
        self._timer = threading.Timer(self._quiet_s, self._write)
        self._timer.daemon = True
        self._timer.start()

    def _write(self) -> None:
        if not self._total:
            write_message(f"{self._title} ...")
            return
        done, total = self._done, self._total
        counts = f"{100 * done // total}% ({self._count(done)} of {self._count(total)})"
        remaining = f", {_clock((self._last - self._begin) / done * (total - done))} left" if done else ""
        write_message(f"{self._title}: {counts}{remaining}  {self._facts}".rstrip())

    def _count(self, number: int) -> str:
        return f"{number / 1e6:.1f} MB" if self._in_bytes else str(number)


def _clock(seconds: float) -> str:
    """A duration as 2:05 or 1:02:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
