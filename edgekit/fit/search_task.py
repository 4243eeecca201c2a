"""What every step of a search works with: the images, the device, what was found so far, and where to report."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.dataset import ImageSet
from edgekit.stages import StageProgress
from edgekit.train.callbacks import Progress
from edgekit.train.checkpoint import Checkpoint
from edgekit.train.loop import train
from edgekit.train.recipe import Recipe

if TYPE_CHECKING:
    from edgekit.fit.budget import Budget
    from edgekit.fit.device import Device
    from edgekit.fit.front import FrontPoint
    from edgekit.fit.images import SearchImages
    from edgekit.fit.state_file import SearchState
    from edgekit.fit.transfer import Transfer

_NEVER = 10**9  # epochs from one evaluation to the next: only the last epoch is evaluated


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTask:
    """What every step of a search works with.

    Attributes:
        budget: the limits.
        device: that the model is for.
        images: the data set.
        points: the candidates on the shortlist, by name.
        transfers: the weights of each network; empty for a search from random weights.
        state: what was found so far.
        seconds: of the whole search.
        val_fraction: as the data were read with.
        max_drop: largest accuracy drop of an int8 model, in percentage points.
        workers: number of processes that prepare images.
        seed: of all draws and trainings.
        progress: called with a stage, its finished steps and all of them.
        on_note: called with each message for the user.
    """

    budget: Budget
    device: Device
    images: SearchImages
    points: Mapping[str, FrontPoint]
    transfers: Mapping[str, Transfer]
    state: SearchState
    seconds: float
    val_fraction: float
    max_drop: float
    workers: int
    seed: int
    progress: StageProgress
    on_note: Callable[[str], None]

    @property
    def output(self) -> Path:
        """The folder of the search."""
        return self.state.path.parent

    def transfer(self, name: str) -> Transfer | None:
        """The weights that a candidate starts from; None for random ones."""
        return self.transfers.get(self.points[name].candidate.network)

    def folder(self, name: str, what: str) -> Path:
        """The folder of a candidate's training, export or the like."""
        return self.output / "candidates" / f"{re.sub(r'[^a-z0-9.]+', '-', name)}-{what}"

    def train(self, recipe: Recipe, images: ImageSet, judging: ImageSet, *, folder: Path, stage: str) -> Checkpoint:
        """Train, or resume a training that was interrupted, and count its time.

        Args:
            recipe: what to train.
            images: to learn from.
            judging: to evaluate the last epoch on.
            folder: of the run.
            stage: its name in the progress.
        """

        def on_step(progress: Progress) -> None:
            done = (progress.epoch - 1) * progress.steps + progress.step
            self.progress(stage, done, progress.epochs * progress.steps)
            self.state.count_time()

        def on_note(note: str) -> None:
            if note.startswith("interrupted"):  # the others are about a training as such
                self.on_note(note)

        def on_stage(name: str, done: int, total: int | None) -> None:
            self.progress(f"{stage}: {name}", done, total)
            self.state.count_time()

        checkpoint = train(
            recipe,
            images,
            judging,
            run=folder,
            resume=True,
            workers=self.workers,
            evaluate_every=_NEVER,
            on_step=on_step,
            on_stage=on_stage,
            on_note=on_note,
        )
        self.state.save()
        return checkpoint


def result_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The figures of a training that decide, ready for JSON."""
    return {"accuracy": checkpoint.state["val_accuracy"], "loss": checkpoint.state["val_loss"]}
