"""Event files of a training run for TensorBoard. Needs the package tensorboard, which no extra installs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.errors import EdgekitError, SpecError, unknown
from edgekit.train.callbacks import EpochResult

# Charts whose names share the part before the slash are shown together.
LOGS = ("tensorboard",)
_TAGS = {
    "loss/train": "loss",
    "loss/val": "val_loss",
    "accuracy/train": "train_accuracy",
    "accuracy/val": "val_accuracy",
    "accuracy/val macro recall": "macro_recall",
    "learning rate": "learning_rate",
    "seconds": "seconds",
}


def check_log(log: str | None) -> None:
    """Check that a log can be written, before anything is trained.

    Args:
        log: "tensorboard", or None for no log.

    Raises:
        SpecError: another log is asked for.
        EdgekitError: the package tensorboard is not installed.
    """
    if log is None:
        return
    if log not in LOGS:
        raise SpecError(unknown("log", log, LOGS))
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise EdgekitError(
            f"`log` tensorboard needs the package tensorboard; run: pip install tensorboard ({error})"
        ) from None


class EventLog:
    """The event files in the folder "tensorboard" of a run, with one value per epoch.

    Args:
        folder: the folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tensorboard"
        self._writer: Any = None

    def write(self, result: EpochResult) -> None:
        """Add the values of an epoch; those that it or a later epoch had before the run was resumed are hidden."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(self._folder, purge_step=result.epoch)
        for tag, name in _TAGS.items():
            value = getattr(result, name)
            if value is not None:
                self._writer.add_scalar(tag, value, result.epoch)
        self._writer.flush()

    def close(self) -> None:
        """End the thread that writes."""
        if self._writer is not None:
            self._writer.close()
