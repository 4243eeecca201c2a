"""Progress bars on a terminal; nothing elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekit.train.callbacks import Progress as TrainingProgress


@contextmanager
def progress_bar(title: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each of `total` steps; the bar on stderr shows rate and remaining time."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Steps per second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    # stdout is not redirected: rich would print its lines on the terminal of the bar instead of stdout.
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


@contextmanager
def stage_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function to call with the name of a stage, the number of finished steps and the total."""
    if not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task, current = progress.add_task("", total=None), ""

        def show(stage: str, done: int, total: int) -> None:
            nonlocal current
            if stage != current:
                progress.reset(task)
                current = stage
            progress.update(task, description=stage, completed=done, total=total)

        yield show


@contextmanager
def download_progress() -> Iterator[Callable[[int, int | None], None]]:
    """Yield a function to call with the number of bytes received and the total, None if unknown."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = ("downloading", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def training_progress() -> Iterator[Callable[[TrainingProgress], None]]:
    """Yield a function to call after each training step; shows loss, accuracy, images per second, remaining time.

    Only the first of the processes that torchrun starts shows a bar.
    """
    if not sys.stderr.isatty() or os.environ.get("RANK", "0") != "0":
        yield lambda step: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[facts]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("training", total=None, facts="")

        def show(step: TrainingProgress) -> None:
            done = (step.epoch - 1) * step.steps + step.step
            facts = f"loss {step.loss:.3f}  acc {step.accuracy:.3f}  {step.images_per_s:.0f}/s"
            description = f"epoch {step.epoch}/{step.epochs}"
            progress.update(task, description=description, completed=done, total=step.epochs * step.steps, facts=facts)

        yield show
