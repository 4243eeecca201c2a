"""The training loop: epochs of steps, each followed by an evaluation of the averaged weights and a checkpoint."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import torch
from torch import Tensor, nn

from edgekit.dataset import ImageSet
from edgekit.errors import EdgekitError, check_types
from edgekit.plots.class_counts import write_class_counts
from edgekit.stages import StageProgress, no_progress
from edgekit.train.allocator import freed_memory_kept
from edgekit.train.balance import check_balance, imbalance_warning, loss_weights
from edgekit.train.callbacks import Callbacks, EpochResult, Progress
from edgekit.train.checkpoint import Checkpoint
from edgekit.train.distributed import TrainingProcess, training_process
from edgekit.train.events import check_log
from edgekit.train.feeds import FeatureFeed, Feed
from edgekit.train.head_solver import solve_head
from edgekit.train.head_start import start_from_solved_head
from edgekit.train.interrupt import stop_requests, torch_failures_explained
from edgekit.train.loader import Batch
from edgekit.train.metrics import batch_loss, correct_images
from edgekit.train.monitor import monitored_figure
from edgekit.train.optimizer import set_learning_rate
from edgekit.train.recipe import Recipe
from edgekit.train.run_folder import RunFolder
from edgekit.train.run_record import RunRecord
from edgekit.train.schedule import learning_rate
from edgekit.train.setup import check_same_kind, check_whole_epoch, checked_steps, create_feed, initial_state
from edgekit.train.shard_mixing import mixing_warning
from edgekit.train.state import TrainingState
from edgekit.train.teacher import read_teacher
from edgekit.zoo.network import AUXILIARY_WEIGHT


def train(
    recipe: Recipe,
    training: ImageSet,
    validation: ImageSet,
    *,
    run: str | os.PathLike[str],
    resume: bool = False,
    workers: int = 1,
    device: str = "cpu",
    evaluate_every: int = 1,
    log: str | None = None,
    on_step: Callable[[Progress], None] = lambda progress: None,
    on_stage: StageProgress = no_progress,
    on_epoch: Callable[[EpochResult], None] = lambda result: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> Checkpoint:
    """Train a network as the recipe says.

    After every epoch the whole state is saved to run/last.safetensors. A resumed run ends in the same weights as an
    uninterrupted one (on CPU, with the same number of threads). If torchrun started several processes, they train one
    network together, and the first one writes files and calls the callbacks.

    Args:
        recipe: what to train and how.
        training: images to train on.
        validation: images to evaluate on, with the same classes.
        run: folder for checkpoints, results and plots; it is created if needed.
        resume: continue from the last checkpoint in `run`; start from the beginning if there is none.
        workers: number of processes that prepare images; 0 prepares them in this process.
        device: "cpu", "cuda" or "cuda:NUMBER".
        evaluate_every: number of epochs from one evaluation to the next; the last epoch is always evaluated.
        log: "tensorboard" also writes event files to run/tensorboard, if that package is installed.
        on_step: called after every step.
        on_stage: called during other passes over the images: name of the pass, finished images, all images.
        on_epoch: called after every epoch, and with epoch 0 if fine-tuning starts from a solved head.
        on_note: called with each message for the user.

    Returns:
        The trained network, as also written to run/model.safetensors: that of the best epoch, or of the last one if the
        recipe says so (`keep`).

    Raises:
        DataError: the two sets have different classes, `run` already has a training run and `resume` is false, or the
            checkpoint belongs to another run.
        WeightsError: the initial weights do not fit or cannot be fetched, or the checkpoint is corrupt.
        SpecError: the device is not available, `log` is unknown, or `balance` or `monitor` do not fit the images.
        ImageError: an image cannot be read; `screen_images` finds these beforehand.
        EdgekitError: the loss or a weight is not finite, memory ran out, a worker process died, or `log` needs a
            package that is not installed.
        KeyboardInterrupt: Ctrl-C was pressed; the state has been saved.

    Example:
        >>> from edgekit import dataset
        >>> from edgekit.train import Recipe, train
        >>> recipe = Recipe.from_dict({"model": "lenet5", "optimize": {"epochs": 2}})
        >>> training, validation = dataset.read_both("photos")
        >>> results = []
        >>> checkpoint = train(recipe, training, validation, run="runs/first", on_epoch=results.append)
        >>> [result.epoch for result in results], checkpoint.classes
        ([1, 2], ('bolt', 'nut', 'washer'))
    """
    check_types(Recipe, recipe=recipe)
    check_types(str | os.PathLike, run=run)
    check_same_kind(training, validation)
    check_balance(training, recipe)
    monitored_figure(recipe, training.task)
    check_log(log)
    is_solved = recipe.solver == "lbfgs"  # otherwise trained
    with torch_failures_explained(), freed_memory_kept(), training_process(device) as (process, process_device):
        steps, epochs = checked_steps(training, recipe, process), 1 if is_solved else recipe.optimize.epochs
        callbacks = Callbacks(on_step, on_stage, on_epoch, on_note) if process.writes else Callbacks()
        files = RunFolder(Path(run), writes=process.writes)
        saved = files.checkpoint_to_resume(resume=resume)
        state = initial_state(
            recipe, training.classes, device=process_device, task=training.task, on_note=callbacks.on_note
        )
        for warning in _data_warnings(state, training, process):
            callbacks.on_note(warning)
        state.position.images = training.fingerprint() + validation.fingerprint()
        if saved is not None:
            state.restore(saved)
            check_whole_epoch(state.position, process)
            callbacks.on_note(f"resuming after {state.position.epoch} of {epochs} epochs")
        elif resume:
            callbacks.on_note(f"{run}: no checkpoint to resume from; starting from the beginning")
        files.write_start(recipe, {"device": process_device, "processes": process.world, "workers": workers})
        if process.writes:
            _plot_class_counts(files.folder / "images_per_class.png", training, validation, callbacks=callbacks)
        teacher = read_teacher(
            recipe.distill,
            training,
            cache=files.teacher,
            process=process,
            device=process_device,
            on_stage=callbacks.on_stage,
        )
        with closing(
            create_feed(
                state,
                training,
                validation,
                workers=workers,
                process=process,
                teacher=teacher,
                on_stage=callbacks.on_stage,
            )
        ) as feed:
            record = RunRecord(
                state,
                feed,
                val_images=len(validation),
                files=files,
                process=process,
                callbacks=callbacks,
                epochs=epochs,
                evaluate_every=evaluate_every,
                log=log,
            )
            if is_solved and isinstance(feed, FeatureFeed):
                return solve_head(state, feed, training, record=record, files=files, callbacks=callbacks)
            start_from_solved_head(
                state,
                training,
                workers=workers,
                process=process,
                record=record,
                files=files,
                callbacks=callbacks,
            )
            weights = loss_weights(training, recipe)
            return _Loop(
                state, feed, record=record, process=process, callbacks=callbacks, steps=steps, weights=weights
            ).run()


def _data_warnings(state: TrainingState, training: ImageSet, process: TrainingProcess) -> Iterator[str]:
    if warning := imbalance_warning(training, state.recipe):
        yield warning
    # If the body is frozen, the features of all images are in memory, and are shuffled together.
    if not state.tuning.body_frozen and (warning := mixing_warning(training, state.recipe, world=process.world)):
        yield warning


def _plot_class_counts(path: Path, training: ImageSet, validation: ImageSet, *, callbacks: Callbacks) -> None:
    counts = {"train": training.class_counts(), "val": validation.class_counts()}
    callbacks.on_note(write_class_counts(path, counts, classes=training.classes))


class _Loop:
    """The epochs of one training in one process."""

    def __init__(
        self,
        state: TrainingState,
        feed: Feed,
        *,
        record: RunRecord,
        process: TrainingProcess,
        callbacks: Callbacks,
        steps: int,
        weights: Tensor | None,
    ) -> None:
        self.state, self.feed, self.record, self.process, self.callbacks = state, feed, record, process, callbacks
        self.steps, self.weights, self.files = steps, weights, record.files
        self.optimize = state.recipe.optimize
        self.training_network = process.data_parallel(state.training_network)
        self.device = next(state.network.parameters()).device

    def run(self) -> Checkpoint:
        with stop_requests(self._report_request) as requested:
            self.requested = requested if self.process.world == 1 else lambda: False
            while not self.record.is_finished():
                self._run_epoch()
            finished = self.record.finish()
            if self.requested():  # in the last step: all is written, but what would come next must not begin
                raise KeyboardInterrupt
        return finished

    def _run_epoch(self) -> None:
        position, begin = self.state.position, time.perf_counter()
        self._run_steps()
        counts = torch.tensor([position.loss_sum, position.correct, position.seen], dtype=torch.float64)
        loss_sum, correct, images = self.process.total(counts.to(self.device)).tolist()
        self.record.finish_epoch(
            loss=loss_sum / images,
            train_accuracy=correct / images,
            learning_rate=learning_rate(self.optimize, position.epoch + 1),
            begin=begin,
        )

    def _run_steps(self) -> None:
        position, start, images_before = self.state.position, time.perf_counter(), self.state.position.seen
        self.state.train_mode()
        for batch in self.feed.training(position.epoch, position.step):
            self._stop_if_requested()
            loss_sum, correct = self._run_step(batch)
            position.add_step(loss_sum=loss_sum, correct=correct, seen=len(batch.labels))
            self.callbacks.on_step(
                Progress(
                    epoch=position.epoch + 1,
                    epochs=self.optimize.epochs,
                    step=position.step,
                    steps=self.steps,
                    loss=position.loss_sum / position.seen,
                    accuracy=position.correct / position.seen,
                    images_per_s=self.process.world * (position.seen - images_before) / (time.perf_counter() - start),
                )
            )
        if not self.state.is_finite():
            raise self._divergence_error("a weight is not finite", position.step)

    def _report_request(self) -> None:
        if self.process.world == 1:  # otherwise torchrun ends all processes
            self.callbacks.on_note("interrupted; saving after this step (press Ctrl-C again to stop without saving)")

    def _stop_if_requested(self) -> None:
        if self.requested():
            self.files.save_last(self.state.checkpoint(), force=True)
            self.callbacks.on_note(f"state saved to {self.files.last}; `resume` continues from it")
            raise KeyboardInterrupt

    def _run_step(self, batch: Batch) -> tuple[float, int]:
        """Run one step; returns the sum of its images' losses and the number of correct predictions."""
        state, epoch, step = self.state, self.state.position.epoch, self.state.position.step
        # A seed for each step and process, so that dropout draws the same in a resumed run.
        _seed_device(self.device, _combined_seed(state.recipe.seed, epoch, step, self.process.rank))
        set_learning_rate(state.optimizer, self.optimize, epoch + (step + 1) / self.steps)
        use_bfloat16 = state.recipe.precision == "bfloat16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=use_bfloat16):
            logits, auxiliary = self.training_network(batch.inputs.to(self.device))
        smoothing, weights = self.optimize.label_smoothing, self.weights
        loss_sum = batch_loss(logits, batch, smoothing=smoothing, weights=weights)
        total_loss = loss_sum
        for auxiliary_logits in auxiliary:
            total_loss = total_loss + AUXILIARY_WEIGHT * batch_loss(
                auxiliary_logits, batch, smoothing=smoothing, weights=weights
            )
        loss_value = float(loss_sum.item())
        if not math.isfinite(loss_value):
            raise self._divergence_error(f"the loss is {loss_value}", step + 1)
        state.optimizer.zero_grad(set_to_none=True)
        # DistributedDataParallel averages gradients over the processes; the loss is a sum over the images of all.
        (total_loss * (self.process.world / batch.step_size)).backward()  # type: ignore[no-untyped-call]
        if self.optimize.clip_norm:
            nn.utils.clip_grad_norm_(state.network.parameters(), self.optimize.clip_norm)
        state.optimizer.step()
        if self.optimize.ema_decay:
            state.update_average(epoch * self.steps + step)
        return loss_value, correct_images(logits, batch.labels)

    def _divergence_error(self, problem: str, step: int) -> EdgekitError:
        checkpoint = f"{self.files.last} is unchanged" if self.files.last.exists() else "there is no checkpoint yet"
        return EdgekitError(
            f"{problem} at epoch {self.state.position.epoch + 1}, step {step}; "
            f"lower `learning_rate` ({self.optimize.learning_rate:g}) or set `clip_norm`; {checkpoint}"
        )


def _seed_device(device: torch.device, seed: int) -> None:
    """Seed only this device's generator: torch.manual_seed seeds every kind of device and takes milliseconds."""
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def _combined_seed(*values: int) -> int:
    """One 62-bit seed from several numbers."""
    seed = 0
    for value in values:
        seed = (seed * 1_000_003 + value + 1) % 2**62
    return seed
