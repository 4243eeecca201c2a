"""The folder of a training run: runs/NAME/ with its recipe, environment, results and checkpoints."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import __version__ as pillow_version

from edgekit import __version__
from edgekit.csv_text import csv_line
from edgekit.errors import DataError, WeightsError
from edgekit.files import write_atomically
from edgekit.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edgekit.train.recipe import Recipe, to_toml

# An epoch of head tuning takes milliseconds, less than a checkpoint: not every epoch writes one.
_SAVE_EVERY_S = 1.0


class RunFolder:
    """The files of a training run.

    Args:
        folder: the folder.
        writes: whether this process writes; if not, all methods that write do nothing.

    Attributes:
        last: checkpoint to resume from.
        previous: the checkpoint before it.
        best: model of the best epoch.
        model: the finished model.
        teacher: the predictions of a teacher for the training images.
    """

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        self.folder, self.writes = folder, writes
        self.last, self.previous = folder / "last.safetensors", folder / "previous.safetensors"
        self.best, self.model = folder / "best.safetensors", folder / "model.safetensors"
        self.teacher = folder / "teacher.npz"
        self._saved_at = -_SAVE_EVERY_S

    def checkpoint_to_resume(self, *, resume: bool) -> Checkpoint | None:
        """Read the newest checkpoint.

        Args:
            resume: whether to resume.

        Returns:
            The checkpoint to resume from; None if there is none.

        Raises:
            DataError: there is a checkpoint, but `resume` is false.
            WeightsError: the checkpoint is corrupt.
        """
        path = self.newest_checkpoint(resume=resume)
        if path is None:
            return None
        try:
            return load_checkpoint(path)
        except WeightsError as error:
            raise WeightsError(f"{error}{self._recovery_hint(path)}") from None

    def newest_checkpoint(self, *, resume: bool) -> Path | None:
        """The path of the newest checkpoint, or None. Raises DataError if there is one, but `resume` is false."""
        newest = next((path for path in (self.last, self.previous) if path.exists()), None)
        if not resume and newest is not None:
            raise DataError(
                f"{self.folder}: already has a training run; continue it with `resume`, or choose another `run` folder"
            )
        return newest

    def _recovery_hint(self, broken: Path) -> str:
        if broken == self.last and self.previous.exists():
            return f"; delete it and run again with `resume` to continue from {self.previous}"
        return "; there is no earlier checkpoint: start a new run"

    def write_start(self, recipe: Recipe, facts: dict[str, Any]) -> None:
        """Write recipe.toml, and environment.json with versions, the machine and these facts."""
        if self.writes:
            write_atomically(self.folder / "recipe.toml", to_toml(recipe).encode())
            write_atomically(self.folder / "environment.json", json.dumps(_environment() | facts, indent=2).encode())

    def save_last(self, checkpoint: Checkpoint, *, force: bool) -> None:
        """Save a checkpoint to resume from, keeping the previous one; at most once a second unless forced."""
        if not self.writes or not (force or time.monotonic() - self._saved_at >= _SAVE_EVERY_S):
            return
        # The new file is complete on disk before it replaces the old one. Between the two renames, `previous` exists.
        next_file = self.folder / "next.safetensors"
        save_checkpoint(next_file, checkpoint)
        if self.last.exists():
            self.last.replace(self.previous)
        next_file.replace(self.last)
        self._saved_at = time.monotonic()

    def save_model(self, path: Path, checkpoint: Checkpoint) -> None:
        """Write a model, and beside it a JSON file with its recipe, classes and accuracy."""
        if self.writes:
            save_checkpoint(path, checkpoint)
            write_atomically(path.with_suffix(".json"), json.dumps(checkpoint.facts(), indent=2).encode())

    def write_results(self, history: Sequence[dict[str, Any]]) -> None:
        """Write results.csv with one row for each epoch; the whole file, so that a resumed run has each row once."""
        if self.writes and history:
            write_atomically(self.folder / "results.csv", _csv([list(history[0]), *(r.values() for r in history)]))

    def write_table(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        """Write a CSV file, such as confusion.csv."""
        if self.writes:
            write_atomically(self.folder / name, _csv(rows))


def free_folder(parent: Path, name: str) -> Path:
    """The first of parent/name-1, parent/name-2, ... that does not exist."""
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


def _csv(rows: Sequence[Any]) -> bytes:
    return "".join(f"{csv_line(row)}\n" for row in rows).encode()


def _environment() -> dict[str, Any]:
    return {
        "edgekit": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pillow": pillow_version,
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
    }
