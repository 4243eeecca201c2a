"""Solves for the head of a network on the features of its body, instead of training it over epochs."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from math import nan

import numpy as np
import torch
from torch import Tensor, nn

from edgekit.dataset import ImageSet
from edgekit.errors import EdgekitError, listed
from edgekit.plots.penalties import write_penalties
from edgekit.train.balance import class_weights
from edgekit.train.callbacks import Callbacks
from edgekit.train.checkpoint import Checkpoint
from edgekit.train.feeds import FeatureFeed
from edgekit.train.loader import targets
from edgekit.train.penalty_search import (
    DEFAULT_PENALTY,
    FOLDS,
    TrainingSet,
    Trial,
    cross_validate,
    fitted_layer,
    scores,
    stratified_folds,
)
from edgekit.train.recipe import Recipe
from edgekit.train.run_folder import RunFolder
from edgekit.train.run_record import RunRecord
from edgekit.train.state import TrainingState
from edgekit.train.tune import linear_head


def solve_head(
    state: TrainingState,
    feed: FeatureFeed,
    training: ImageSet,
    *,
    record: RunRecord,
    files: RunFolder,
    callbacks: Callbacks,
) -> Checkpoint:
    """Choose the penalty by cross-validation, fit the head to all training images, and finish the run.

    Every process solves the same problem and arrives at the same head; the first one writes it.

    Args:
        state: the network, whose head is replaced.
        feed: the features.
        training: the images that they are of.
        record: what the run keeps; the solution counts as its only epoch.
        files: the folder of the run; penalties.csv and penalties.png are written there.
        callbacks: where the run reports to.

    Returns:
        The finished network.

    Raises:
        EdgekitError: a feature is not finite.
    """
    if not record.is_finished():
        begin = time.perf_counter()
        loss, accuracy = fit_head(state, feed.copies, training, files=files, callbacks=callbacks)
        record.finish_epoch(loss=loss, train_accuracy=accuracy, learning_rate=None, begin=begin)
    return record.finish()


def fit_head(
    state: TrainingState, views: Sequence[Tensor], training: ImageSet, *, files: RunFolder, callbacks: Callbacks
) -> tuple[float, float]:
    """Choose the penalty by cross-validation, and fit the head to all training images.

    Args:
        state: the network, whose head is replaced, that of its average too.
        views: float32 (images, features) features of the training images, and then of each kind of copy of them.
        training: the images.
        files: the folder of the run; penalties.csv and penalties.png are written there.
        callbacks: where the run reports to.

    Returns:
        Mean loss and accuracy (0 to 1) on the training images.

    Raises:
        EdgekitError: a feature is not finite.
    """
    regression = _training_set(state, views, training)
    trial = _chosen_trial(regression, state, files, callbacks)
    callbacks.on_stage("fitting the head to all images", 0, None)
    layer = linear_head(state.network, state.recipe.model)
    with torch.no_grad():
        for parameter, value in zip((layer.weight, layer.bias), fitted_layer(regression, trial), strict=True):
            parameter.copy_(value)
        logits = nn.functional.linear(views[0], layer.weight.cpu(), layer.bias.cpu())
    state.averaged.head.load_state_dict(state.network.head.state_dict())
    return scores(logits, regression.labels, regression.image_weights)


def _training_set(state: TrainingState, views: Sequence[Tensor], training: ImageSet) -> TrainingSet:
    if not all(bool(torch.isfinite(features).all()) for features in views):
        raise EdgekitError("a feature of a train image is not finite; check the pretrained `weights` and `std`")
    weights, recipe = np.ones(len(training)), state.recipe
    if recipe.balance != "none":
        weights = class_weights(training.class_counts(), beta=recipe.balance_beta)[training.truth()]
    labels = torch.from_numpy(targets(training))
    return TrainingSet(views, labels, len(training.classes), torch.from_numpy(weights))


def _chosen_trial(regression: TrainingSet, state: TrainingState, files: RunFolder, callbacks: Callbacks) -> Trial:
    """The trial with the lowest loss on held-out images; the first of equal ones has the strongest penalty."""
    folds = stratified_folds(regression.labels, seed=state.recipe.seed)
    _note_small_classes(regression.labels, state, callbacks)
    if not (folds >= 0).any():
        trial = Trial(standardized=False, copies=True, penalty=DEFAULT_PENALTY, log_loss=nan, accuracy=nan)
        callbacks.on_note(
            f"no class has two train images, so nothing can be cross-validated; the penalty is {trial.penalty:g}"
        )
        return trial
    trials = cross_validate(regression, folds, on_stage=callbacks.on_stage)
    chosen = min(trials, key=lambda trial: trial.log_loss)
    header = [*(field.name for field in dataclasses.fields(Trial)), "chosen"]
    files.write_table("penalties.csv", [header, *([*dataclasses.astuple(t), t is chosen] for t in trials)])
    if files.writes:
        callbacks.on_note(_write_plot(files, trials, chosen))
    callbacks.on_note(_summary(chosen, regression, state))
    return chosen


def _write_plot(files: RunFolder, trials: list[Trial], chosen: Trial) -> str:
    losses: dict[str, list[tuple[float, float]]] = {}
    for trial in trials:
        name = f"{_scale_text(trial)}{', with copies' if trial.copies else ''}"
        losses.setdefault(name, []).append((trial.penalty, trial.log_loss))
    return write_penalties(files.folder / "penalties.png", losses, chosen=(chosen.penalty, chosen.log_loss))


def _scale_text(trial: Trial) -> str:
    return f"{'standardized' if trial.standardized else 'centered'} features"


def _summary(trial: Trial, regression: TrainingSet, state: TrainingState) -> str:
    images, features = regression.views[0].shape
    metric = "top-1" if state.task == "single-label" else "exact match"
    return (
        f"cross-validation on {features:,} features of {images} images: penalty {trial.penalty:.3g}, "
        f"{_scale_text(trial)}, {_copies_text(trial, state.recipe)}; "
        f"loss {trial.log_loss:.4f}, {metric} {trial.accuracy:.2%} on held-out images"
    )


def _copies_text(trial: Trial, recipe: Recipe) -> str:
    kinds = ["mirrored"] if recipe.augment.mirror else []
    kinds += [f"{recipe.augment.feature_copies} augmented"] if recipe.augment.feature_copies else []
    if not kinds:
        return "no copies"
    return f"{'with' if trial.copies else 'without'} {' and '.join(kinds)} copies"


def _note_small_classes(labels: Tensor, state: TrainingState, callbacks: Callbacks) -> None:
    counts = torch.bincount(labels, minlength=len(state.classes)) if labels.dim() == 1 else labels.sum(0)
    small = [name for name, count in zip(state.classes, counts.tolist(), strict=True) if count < FOLDS]
    if small:
        classes = "1 class has" if len(small) == 1 else f"{len(small)} classes have"
        callbacks.on_note(
            f"{classes} fewer than {FOLDS} train images ({listed(small)}), so not every fold holds one out; a single "
            f"image is in none"
        )
