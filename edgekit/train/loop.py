"""The training loop: epochs of steps, an evaluation of the averaged weights and a checkpoint after each."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from edgekit.dataset import PictureSet
from edgekit.errors import DataError, EdgekitError
from edgekit.plots.training import draw
from edgekit.train.checkpoint import Checkpoint, load_checkpoint
from edgekit.train.distributed import Place, joined
from edgekit.train.feeds import Feed
from edgekit.train.interrupt import failures_in_one_line, stop_requests
from edgekit.train.loader import Batch, steps_of
from edgekit.train.metrics import accuracy_of, batch_loss, count_answers
from edgekit.train.optimizer import set_rate
from edgekit.train.recipe import Recipe
from edgekit.train.run_folder import Run
from edgekit.train.setup import feed_of, start
from edgekit.train.state import TrainingState
from edgekit.zoo.network import AUXILIARY_WEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a training stands, after one step: what a progress bar shows."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    pictures_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """One row of results: epoch (from 1) of epochs, mean loss, accuracies (0 to 1; None where none was due)."""

    epoch: int
    epochs: int
    loss: float
    train_accuracy: float
    val_accuracy: float | None
    seconds: float


def train(
    recipe: Recipe,
    training: PictureSet,
    validation: PictureSet,
    *,
    run: str | os.PathLike[str],
    resume: bool = False,
    workers: int = 1,
    device: str = "cpu",
    evaluate_every: int = 1,
    on_step: Callable[[Progress], None] = lambda progress: None,
    on_epoch: Callable[[EpochResult], None] = lambda result: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> Checkpoint:
    """Train by the recipe; the finished checkpoint, also written to run/model.safetensors.

    run/last.safetensors holds the whole state: `resume` goes on from it, to the same weights that an undisturbed run
    ends in (on CPU, with the same number of threads). on_note is told what the user should know. In processes started
    by torchrun all train one network, and the first one writes and reports.

    Raises DataError for data that does not fit, WeightsError for weights that do not, EdgekitError when the loss is not
    a number, KeyboardInterrupt after Ctrl-C, when the state has been saved.
    """
    if training.classes != validation.classes:
        raise DataError(
            f"train has the classes {training.classes}, val has {validation.classes}; they must be the same"
        )
    with failures_in_one_line(), joined(device) as (place, chosen_device):
        steps = steps_of(len(training), recipe)
        if len(training) // steps < place.world:
            raise DataError(f"{place.world} processes need at least as many pictures in a batch and in all")
        files = Run(Path(run), writes=place.writes)
        saved = files.to_resume(resume=resume)
        note = on_note if place.writes else _silent
        state = start(recipe, training.classes, device=chosen_device, on_note=note)
        state.position.pictures = training.fingerprint() + validation.fingerprint()
        if saved is not None:
            state.restore(saved)
            note(f"going on after {state.position.epoch} of {recipe.optimize.epochs} epochs")
        elif resume:
            note(f"{run}: no checkpoint to go on from; starting at the beginning")
        files.begin(recipe, {"device": chosen_device, "processes": place.world, "workers": workers})
        feed = feed_of(state, training, validation, workers=workers, place=place)
        loop = _Loop(state, feed, files, place, steps=steps, evaluate_every=evaluate_every)
        if place.writes:
            loop.on_step, loop.on_epoch, loop.on_note = on_step, on_epoch, on_note
        return loop.run()


def _silent(message: object) -> None:
    """What the processes that do not report call."""


class _Loop:
    """The epochs of one training in one process."""

    def __init__(
        self, state: TrainingState, feed: Feed, files: Run, place: Place, *, steps: int, evaluate_every: int
    ) -> None:
        self.state, self.feed, self.files, self.place = state, feed, files, place
        self.steps, self.evaluate_every = steps, evaluate_every
        self.optimize = state.recipe.optimize
        self.forward = place.wrapped(state.forward)
        self.device = next(state.network.parameters()).device
        self.confusion: Tensor | None = None
        self.on_step: Callable[[Progress], None] = _silent
        self.on_epoch: Callable[[EpochResult], None] = _silent
        self.on_note: Callable[[str], None] = _silent

    def run(self) -> Checkpoint:
        with stop_requests() as requested:
            self.requested = requested if self.place.world == 1 else lambda: False
            while not self._is_over():
                self._epoch()
        finished = self.state.finished()
        if self.optimize.patience:  # the best epoch's weights; every process reads the file that the first one wrote
            self.place.barrier()
            finished = load_checkpoint(self.files.best)
        self.files.save_model(self.files.model, finished)
        confusion = self._confusion_of(finished)
        self.files.record_confusion(confusion, self.state.classes)
        if self.place.writes:
            self.on_note(draw(self.files.folder, self.state.position.history, confusion, self.state.classes))
        return finished

    def _confusion_of(self, finished: Checkpoint) -> Tensor:
        """The finished network's: not the last epoch's where an earlier one was the best, nor lost by a resumption."""
        if self.confusion is not None and finished.state["epoch"] == self.state.position.epoch:
            return self.confusion
        self.state.averaged.load_state_dict(dict(finished.tensors))
        return self._evaluate()

    def _is_over(self) -> bool:
        position = self.state.position
        waited = position.epoch - position.best_epoch
        return position.epoch >= self.optimize.epochs or 0 < self.optimize.patience <= waited

    def _epoch(self) -> None:
        """The rest of the current epoch, its evaluation, its checkpoint."""
        position, began = self.state.position, time.perf_counter()
        self._steps()
        counts = torch.tensor([position.loss_sum, position.correct, position.seen], dtype=torch.float64)
        loss_sum, correct, seen = self.place.total(counts.to(self.device)).tolist()
        epoch = position.epoch + 1
        self.confusion = self._evaluate() if self._is_due(epoch) else None
        val_accuracy = None if self.confusion is None else accuracy_of(self.confusion)
        result = EpochResult(
            epoch=epoch,
            epochs=self.optimize.epochs,
            loss=loss_sum / seen,
            train_accuracy=correct / seen,
            val_accuracy=val_accuracy,
            seconds=time.perf_counter() - began,
        )
        position.history.append(asdict(result))
        position.finish_epoch()
        if val_accuracy is not None and val_accuracy > position.best:
            position.best, position.best_epoch = val_accuracy, epoch
            self.files.save_model(self.files.best, self.state.finished())
        self.files.record(position.history)
        self.files.save_last(self.state.checkpoint(), must=self._is_over())
        self.on_epoch(result)

    def _is_due(self, epoch: int) -> bool:
        return epoch % self.evaluate_every == 0 or epoch == self.optimize.epochs or self.optimize.patience > 0

    def _steps(self) -> None:
        position, began, before = self.state.position, time.perf_counter(), self.state.position.seen
        self.state.train_mode()
        for batch in self.feed.training(position.epoch, position.step):
            self._stop_if_asked()
            loss_sum, correct = self._step(batch)
            position.count(loss_sum=loss_sum, correct=correct, seen=len(batch.labels))
            self.on_step(
                Progress(
                    epoch=position.epoch + 1,
                    epochs=self.optimize.epochs,
                    step=position.step,
                    steps=self.steps,
                    loss=position.loss_sum / position.seen,
                    accuracy=position.correct / position.seen,
                    pictures_per_s=self.place.world * (position.seen - before) / (time.perf_counter() - began),
                )
            )
        if not self.state.is_finite():
            raise self._not_a_number("a weight is not a number", position.step)

    def _stop_if_asked(self) -> None:
        if self.requested():
            self.files.save_last(self.state.checkpoint(), must=True)
            self.on_note(f"stopped; the state is in {self.files.last}: the same command with --resume goes on from it")
            raise KeyboardInterrupt

    def _step(self, batch: Batch) -> tuple[float, int]:
        """One step: the sum of the losses of its pictures, and how many of them were right."""
        state, epoch, step = self.state, self.state.position.epoch, self.state.position.step
        # One seed for each step and process: what dropout draws depends on nothing that a resumed run would lack.
        _seed(self.device, _mixed(state.recipe.seed, epoch, step, self.place.rank))
        set_rate(state.optimizer, self.optimize, epoch + (step + 1) / self.steps)
        half = state.recipe.precision == "bfloat16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=half):
            logits, auxiliary = self.forward(batch.inputs.to(self.device))
        smoothing = self.optimize.label_smoothing
        loss_sum = batch_loss(logits, batch, smoothing=smoothing)
        total = loss_sum
        for extra in auxiliary:
            total = total + AUXILIARY_WEIGHT * batch_loss(extra, batch, smoothing=smoothing)
        value = float(loss_sum.item())
        if not math.isfinite(value):
            raise self._not_a_number(f"the loss is {value}", step + 1)
        state.optimizer.zero_grad(set_to_none=True)
        # DistributedDataParallel averages over the processes; the sum over all pictures is what is wanted of them.
        (total * (self.place.world / batch.total)).backward()  # type: ignore[no-untyped-call]
        if self.optimize.clip_norm:
            nn.utils.clip_grad_norm_(state.network.parameters(), self.optimize.clip_norm)
        state.optimizer.step()
        if self.optimize.ema_decay:
            state.average(epoch * self.steps + step)
        return value, int((logits.detach().argmax(1).cpu() == batch.labels).sum())

    def _not_a_number(self, what: str, step: int) -> EdgekitError:
        kept = f"{self.files.last} is kept" if self.files.last.exists() else "there is no checkpoint yet"
        return EdgekitError(
            f"{what} at epoch {self.state.position.epoch + 1}, step {step}; "
            f"lower the learning rate ({self.optimize.learning_rate}) or set clip_norm; {kept}"
        )

    def _evaluate(self) -> Tensor:
        """The confusion matrix of the validation pictures, by the network as it stands."""
        counts = count_answers(self.state.answer, self.feed.evaluation(), classes=len(self.state.classes))
        return self.place.total(counts.to(self.device)).cpu()


def _seed(device: torch.device, seed: int) -> None:
    """Seed the generator of that device alone: torch.manual_seed visits every kind of device, for milliseconds."""
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def _mixed(*values: int) -> int:
    """One 62-bit seed of several numbers."""
    seed = 0
    for value in values:
        seed = (seed * 1_000_003 + value + 1) % 2**62
    return seed
