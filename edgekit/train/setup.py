"""How a training run starts: the network, its weights, the trained parts, and the feed of batches."""

from __future__ import annotations

from collections.abc import Callable

import torch

from edgekit.dataset import ImageSet
from edgekit.errors import DataError, check_types, quote
from edgekit.hub.imagenet_weights import weights_path
from edgekit.preprocess.scores import Task
from edgekit.stages import StageProgress, no_progress
from edgekit.train.batch_norms import raise_norm_momentum, reason_to_fix_norms
from edgekit.train.distributed import TrainingProcess, check_device
from edgekit.train.epoch_order import steps_per_epoch
from edgekit.train.feeds import FeatureFeed, Feed, ImageFeed
from edgekit.train.recipe import Recipe
from edgekit.train.settings import TUNE_DEFAULTS, Optimize
from edgekit.train.state import Position, TrainingState
from edgekit.train.teacher import Teacher
from edgekit.train.tune import Tuning, choose_tuning, has_linear_head, linear_head, named_parts
from edgekit.zoo.build import build
from edgekit.zoo.network import Network
from edgekit.zoo.weights import load_weights

_HIGH_RATE = 10  # times the default


def initial_state(
    recipe: Recipe,
    classes: tuple[str, ...],
    *,
    device: str,
    task: Task = "single-label",
    on_note: Callable[[str], None] = lambda note: None,
) -> TrainingState:
    """Build the state before the first step: the recipe's network with its initial weights.

    Args:
        recipe: what to train, and from which weights.
        classes: class names, in the order of the logits.
        device: "cpu", "cuda" or "cuda:NUMBER".
        task: that of the images.
        on_note: called with each message for the user.

    Raises:
        WeightsError: the weights do not fit the network, or cannot be fetched.
        SpecError: the device is not available, the network does not accept its arguments or input size, or the recipe's
            solver cannot solve for its head.
    """
    check_device(device)
    torch.manual_seed(recipe.seed)
    network = build(recipe.model, **recipe.network_arguments, classes=len(classes))
    network.check_input(recipe.preprocess.crop)
    if recipe.solver == "lbfgs":
        linear_head(network, recipe.model)
    head_is_new = False
    if recipe.weights is not None:
        path = weights_path(recipe.model, recipe.weights)
        arguments = recipe.network_arguments
        head_is_new = load_weights(network, path, model=recipe.model, replace_head=True, **arguments)
        if head_is_new:
            on_note(f"pretrained head has different classes; initializing a new head for {len(classes)} classes")
    network = network.to(torch.device(device)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    solved_head = recipe.optimize.head_start and head_is_new and has_linear_head(network)
    reason = reason_to_fix_norms(network.body, recipe, solved_head=solved_head)
    tuning = choose_tuning(network, recipe, fixed_norms=reason is not None)
    on_note(_parameter_summary(network, tuning))
    if reason is not None:
        on_note(reason)
    elif not tuning.body_frozen and (note := raise_norm_momentum(network, recipe)):
        on_note(note)
    if warning := _rate_warning(recipe):
        on_note(warning)
    if recipe.solver == "sgd":
        on_note("the head is trained by the optimizer; `solver` lbfgs would solve for it, without epochs")
    if task == "multi-label":
        on_note("several labels per image: training with binary cross-entropy, judged by mAP")
    return TrainingState(recipe, network, tuning, classes=classes, task=task, head_is_new=head_is_new)


def create_feed(
    state: TrainingState,
    training: ImageSet,
    validation: ImageSet,
    *,
    workers: int,
    process: TrainingProcess,
    teacher: Teacher | None = None,
    on_stage: StageProgress = no_progress,
) -> Feed:
    """Create the source of batches: cached features if the body is frozen, otherwise images.

    Args:
        state: the state from `initial_state`.
        training: images to train on.
        validation: images to evaluate on.
        workers: number of processes that prepare images; 0 prepares them in this process.
        process: this process's share of the images.
        teacher: whose predictions are learned as well.
        on_stage: called while features are computed: stage, finished images, all images.

    Raises:
        ImageError: an image cannot be read (only features are computed here).
    """
    if state.tuning.body_frozen:
        return FeatureFeed(
            state.network,
            training,
            validation,
            state.recipe,
            workers=workers,
            process=process,
            teacher=teacher,
            on_stage=on_stage,
        )
    return ImageFeed(training, validation, state.recipe, workers=workers, process=process, teacher=teacher)


def check_same_kind(training: ImageSet, validation: ImageSet) -> None:
    """Raise DataError unless both have the same classes and the same task, and images with labels."""
    check_types(ImageSet, training=training, validation=validation)
    if training.task != validation.task:
        raise DataError(f"train and val must have the same task: train is {training.task}, val is {validation.task}")
    for name, images in (("train", training), ("val", validation)):
        if images.label_sets is not None and not any(images.label_sets):
            raise DataError(f"none of the {len(images)} {name} images has a label; at least one must have one")
    if training.classes != validation.classes:
        raise DataError(
            f"train and val must have the same classes: train has {quote(training.classes)}, val has "
            f"{quote(validation.classes)}"
        )


def checked_steps(training: ImageSet, recipe: Recipe, process: TrainingProcess) -> int:
    """The number of steps of an epoch. Raises DataError if some step has no image for one of the processes."""
    steps = steps_per_epoch(len(training), recipe)
    if len(training) // steps < process.world:
        raise DataError(
            f"{process.world} processes need at least {process.world} images in every batch (got {len(training)} "
            f"images and `batch_size` {recipe.optimize.batch_size})"
        )
    return steps


def check_whole_epoch(position: Position, process: TrainingProcess) -> None:
    """Raise DataError if a run was stopped within an epoch and is continued by several processes.

    Only a single process stops there. Several ones divide an epoch otherwise: images would be left out.
    """
    if position.step and process.world > 1:
        raise DataError(
            f"the run was stopped after step {position.step} of epoch {position.epoch + 1} by a single process, and "
            f"{process.world} processes divide the images otherwise; continue it with one process until the next epoch"
        )


def _rate_warning(recipe: Recipe) -> str | None:
    """A warning of a learning rate that was chosen for SGD, which was the default optimizer of every `tune` before."""
    default, optimize = Optimize(**TUNE_DEFAULTS[recipe.tune]["optimize"]), recipe.optimize
    ratio = optimize.learning_rate / default.learning_rate
    if default.optimizer == "sgd" or optimize.optimizer != default.optimizer or ratio < _HIGH_RATE:
        return None
    return (
        f"warning: a `learning_rate` of {optimize.learning_rate:g} is {ratio:.0f} times the default for "
        f"{optimize.optimizer}; if it was made for sgd, set `optimizer` to that"
    )


def _parameter_summary(network: Network, tuning: Tuning) -> str:
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in named_parts(network).items()}
    trained = [name for name, count in counts.items() if count and tuning.rates[name]]
    frozen = [name for name, count in counts.items() if count and not tuning.rates[name]]
    total, trained_total = sum(counts.values()), sum(counts[name] for name in trained)
    frozen_text = f"; frozen: {', '.join(frozen)}" if frozen else ""
    return f"training {trained_total:,} of {total:,} parameters ({', '.join(trained)}){frozen_text}"
