"""What a training run reports while it runs: its progress, the result of every epoch, and notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from edgekit.stages import StageProgress, no_progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a training run after one step, for a progress bar.

    Attributes:
        epoch: number of the current epoch, from 1.
        epochs: number of epochs.
        step: number of finished steps of this epoch.
        steps: number of steps in an epoch.
        loss: mean training loss of this epoch so far.
        accuracy: training accuracy of this epoch so far, 0 to 1; of multi-label images, the share whose labels are all
            right.
        images_per_s: training speed, of all processes together.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    images_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """The result of one epoch: a row of results.csv.

    Attributes:
        epoch: number of the epoch, from 1; 0 is the solved head that fine-tuning starts from.
        epochs: number of epochs.
        loss: mean training loss: what is minimized, with the label smoothing and the class weights of the recipe.
        train_accuracy: accuracy on the augmented training images, as in `Progress`, 0 to 1; of a solved head, on the
            images themselves.
        val_loss: mean cross-entropy on the validation images, without smoothing and weights; None if this epoch was not
            evaluated.
        val_accuracy: accuracy on the validation images (multi-label: mAP), 0 to 1; None as above.
        macro_recall: mean recall of the classes that have validation images, 0 to 1; None as above, and for images with
            several labels.
        never_predicted: number of classes that have validation images and were never predicted; None as macro_recall.
        learning_rate: that of the last step, before the factors of stages; None if there are no steps.
        seconds: duration, evaluation included.
    """

    epoch: int
    epochs: int
    loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    macro_recall: float | None
    never_predicted: int | None
    learning_rate: float | None
    seconds: float


def _ignore(report: object) -> None:
    """The callback of processes that do not report."""


class Callbacks(NamedTuple):
    """Where a training run reports to.

    Attributes:
        on_step: called after every step.
        on_stage: called during other passes over the images: stage, finished images, all images.
        on_epoch: called after every epoch.
        on_note: called with each message for the user.
    """

    on_step: Callable[[Progress], None] = _ignore
    on_stage: StageProgress = no_progress
    on_epoch: Callable[[EpochResult], None] = _ignore
    on_note: Callable[[str], None] = _ignore
