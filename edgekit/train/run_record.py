"""What a training run keeps of its epochs: their results, the best weights, and the files that remain at the end."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np

from edgekit.errors import EdgekitError, WeightsError, quote
from edgekit.evaluate.confusion import never_predicted
from edgekit.plots.training import write_training_plots
from edgekit.train.callbacks import Callbacks, EpochResult
from edgekit.train.checkpoint import Checkpoint, load_checkpoint
from edgekit.train.distributed import TrainingProcess
from edgekit.train.events import EventLog
from edgekit.train.feeds import Feed, counted_batches
from edgekit.train.metrics import EVALUATORS, Collected, Scores
from edgekit.train.monitor import best_epoch, epoch_to_keep, figure_to_exceed, monitored_figure
from edgekit.train.run_folder import RunFolder
from edgekit.train.state import TrainingState


class RunRecord:
    """Evaluates and saves after each epoch, and finishes the run with the weights of the best or the last one.

    Args:
        state: what is trained.
        feed: source of the validation batches.
        val_images: number of validation images of all processes.
        files: the folder of the run.
        process: this process.
        callbacks: where the run reports to.
        epochs: number of epochs of the run.
        evaluate_every: number of epochs from one evaluation to the next; the last epoch is always evaluated.
        log: "tensorboard" for event files, or None.

    Raises:
        SpecError: `monitor` names a figure that these images do not have.
        EdgekitError: the package that `log` needs is not installed.
    """

    def __init__(
        self,
        state: TrainingState,
        feed: Feed,
        *,
        val_images: int,
        files: RunFolder,
        process: TrainingProcess,
        callbacks: Callbacks,
        epochs: int,
        evaluate_every: int = 1,
        log: str | None = None,
    ) -> None:
        self.state, self.feed, self.files, self.process, self.callbacks = state, feed, files, process, callbacks
        self.evaluator = EVALUATORS[state.task](
            classes=len(state.classes), share=process.share(np.arange(val_images)), images=val_images
        )
        self.epochs, self.evaluate_every = epochs, evaluate_every
        self.monitor = monitored_figure(state.recipe, state.task)
        self._events = EventLog(files.folder) if log is not None and process.writes else None
        self._collected: Collected | None = None  # of the epoch that was finished last

    def is_finished(self) -> bool:
        """Whether no epoch is left, or `patience` epochs were no better than the best one."""
        position, patience = self.state.position, self.state.recipe.optimize.patience
        epochs_since_best = position.epoch - best_epoch(position.history, self.monitor)
        return position.epoch >= self.epochs or 0 < patience <= epochs_since_best

    def finish_epoch(self, *, loss: float, train_accuracy: float, learning_rate: float | None, begin: float) -> None:
        """Evaluate the network after an epoch, save what is needed to resume, and report the result.

        Args:
            loss: mean training loss of the epoch.
            train_accuracy: training accuracy of the epoch, 0 to 1.
            learning_rate: that of the last step; None if there were no steps.
            begin: when the epoch began, as by `time.perf_counter`.

        Raises:
            EdgekitError: the loss on the validation images is not finite.
        """
        epoch = self.state.position.epoch + 1
        self._collected = self._evaluate() if self._is_evaluation_due(epoch) else None
        result = self._result(epoch, loss, train_accuracy, learning_rate, begin)
        self.state.position.history.append(dataclasses.asdict(result))
        self.state.position.finish_epoch()
        self._save(result, force=self.is_finished())

    def keep_start(self, *, loss: float, train_accuracy: float, begin: float) -> None:
        """Evaluate and save the weights that training starts from, as epoch 0, which may turn out to be the best one.

        Args:
            loss: mean training loss.
            train_accuracy: training accuracy, 0 to 1.
            begin: when they began to be computed, as by `time.perf_counter`.

        Raises:
            EdgekitError: the loss on the validation images is not finite.
        """
        self._collected = self._evaluate()
        result = self._result(0, loss, train_accuracy, None, begin)
        start = dataclasses.asdict(result)
        self.state.position.history.append(start)
        self._save(result, force=True)
        images = self.evaluator.images
        if self.state.recipe.keep == "best" and figure_to_exceed(start, self.monitor, images=images) >= 1:
            self.callbacks.on_note(
                f"the solved head is so good that no epoch can be clearly better by {self.monitor} on {images} val "
                f"images, so it will be kept; more val images, `keep` last or `monitor` loss decide otherwise"
            )

    def _epoch_to_keep(self) -> int:
        return epoch_to_keep(self.state.position.history, self.monitor, images=self.evaluator.images)

    def _result(
        self, epoch: int, loss: float, train_accuracy: float, learning_rate: float | None, begin: float
    ) -> EpochResult:
        """The row of an epoch whose network has been evaluated, if that is due."""
        scores = None if self._collected is None else self.evaluator.scores(self._collected)
        if scores is not None and not math.isfinite(scores.val_loss):
            raise EdgekitError(
                f"the val loss is {scores.val_loss} after epoch {epoch}; lower `learning_rate` "
                f"({self.state.recipe.optimize.learning_rate:g}) or set `clip_norm`"
            )
        return EpochResult(
            epoch=epoch,
            epochs=self.epochs,
            loss=loss,
            train_accuracy=train_accuracy,
            **(scores._asdict() if scores is not None else dict.fromkeys(Scores._fields)),
            learning_rate=learning_rate,
            seconds=time.perf_counter() - begin,
        )

    def _save(self, result: EpochResult, *, force: bool) -> None:
        """Write what an epoch changed, and report it. force: also the whole state, if that was saved shortly before."""
        history = self.state.position.history
        if result.epoch == self._epoch_to_keep():
            self.files.save_model(self.files.best, self.state.model_checkpoint(result.epoch))
        self.files.write_results(history)
        if self._events is not None:
            self._events.write(result)
        self.files.save_last(self.state.checkpoint(), force=force)
        self.callbacks.on_epoch(result)

    def finish(self) -> Checkpoint:
        """Write the trained network, the figures of its classes and the plots. Returns the network."""
        position = self.state.position
        best = self._epoch_to_keep()
        evaluated = sum(row["val_accuracy"] is not None for row in position.history)
        is_chosen = self.state.recipe.keep == "best" and evaluated > 1
        epoch = best if is_chosen else position.epoch
        if epoch != position.epoch:
            self._load_best(epoch)
        finished = self.state.model_checkpoint(epoch, monitor=self.monitor if is_chosen else None)
        self.files.save_model(self.files.model, finished)
        collected = self._collected if epoch == position.epoch else None
        collected = self._evaluate() if collected is None else collected
        if is_chosen:
            found = f"best epoch {best} of {position.epoch} by {self.monitor}"
            if best == 0:
                clearly = "" if self.monitor == "loss" else "clearly "
                found = f"no epoch was {clearly}better by {self.monitor} than the solved head, which is kept"
            self.callbacks.on_note(f"{found}, chosen on the val images: their figures are optimistic")
        if self.process.writes:
            self._write_figures(collected, epoch)
        if self._events is not None:
            self._events.close()
        return finished

    def _write_figures(self, collected: Collected, epoch: int) -> None:
        classes, history = self.state.classes, self.state.position.history
        self.files.write_table(self.evaluator.table_name, self.evaluator.table(collected, classes))
        confusion = self.evaluator.confusion(collected)
        note = write_training_plots(self.files.folder, history, confusion, classes=classes, kept_epoch=epoch)
        if note is not None:
            self.callbacks.on_note(note)
        missed = None if confusion is None else never_predicted(confusion.cpu().numpy(), classes)
        if missed:
            self.callbacks.on_note(f"warning: on the val images, {missed}")

    def _load_best(self, epoch: int) -> None:
        """Replace the averaged weights by those of the best epoch, which the first process wrote."""
        if self.process.writes:
            best = load_checkpoint(self.files.best)
            if (found := best.state.get("epoch")) != epoch:
                raise WeightsError(f"{self.files.best}: has the weights of epoch {quote(found)}, not of {epoch}")
            self.state.averaged.load_state_dict(dict(best.tensors))
        self.process.broadcast(self.state.averaged.state_dict().values())

    def _is_evaluation_due(self, epoch: int) -> bool:
        return epoch % self.evaluate_every == 0 or epoch == self.epochs or self.state.recipe.optimize.patience > 0

    def _evaluate(self) -> Collected:
        """What the evaluator collects of the current network on the validation images."""
        images, on_stage = len(self.evaluator.share), self.callbacks.on_stage
        batches = counted_batches(self.feed.evaluation(), "evaluating", images, on_stage=on_stage)
        device = next(self.state.network.parameters()).device
        collected = self.evaluator.collect(self.state.evaluation_network, batches)
        return Collected(*(self.process.total(part.to(device)).cpu() for part in collected))
