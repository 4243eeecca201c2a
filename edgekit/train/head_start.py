"""Fine-tuning starts from the best head for the features of the pretrained body, which is kept unless that helps.

A random head sends large gradients into the body and distorts what that has learned, until the head has settled. So
does a head that is far more certain than smoothed labels are, as one is that separates the training images. Its logits
are therefore scaled down to the lowest loss. That changes no prediction, only how certain it is, which `export`
calibrates.

Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution",
section 3.4.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from edgekit.dataset import ImageSet
from edgekit.train.balance import loss_weights
from edgekit.train.callbacks import Callbacks
from edgekit.train.distributed import TrainingProcess
from edgekit.train.feeds import head_features
from edgekit.train.head_solver import fit_head
from edgekit.train.loader import Batch, targets
from edgekit.train.metrics import batch_loss
from edgekit.train.run_folder import RunFolder
from edgekit.train.run_record import RunRecord
from edgekit.train.state import TrainingState
from edgekit.train.tune import has_linear_head, linear_head

_BISECTIONS = 12


def start_from_solved_head(
    state: TrainingState,
    training: ImageSet,
    *,
    workers: int,
    process: TrainingProcess,
    record: RunRecord,
    files: RunFolder,
    callbacks: Callbacks,
) -> None:
    """Solve for the head before the first step, and record the result as epoch 0.

    Nothing is done if the recipe has no `head_start`, if the run has begun, or if the head was trained before. A head
    that is more than a linear layer starts at random, which is reported.

    Args:
        state: the network, whose head is replaced.
        training: images to train on.
        workers: number of processes that prepare images; 0 prepares them in this process.
        process: this process's share of the images.
        record: what the run keeps.
        files: the folder of the run.
        callbacks: where the run reports to.

    Raises:
        EdgekitError: a feature is not finite.
        ImageError: an image cannot be read.
    """
    position, recipe = state.position, state.recipe
    if not (recipe.optimize.head_start and state.head_is_new) or position.history or position.step:
        return
    if not has_linear_head(state.network):
        callbacks.on_note(f"the head of {recipe.model} is more than a linear layer, so it starts from random weights")
        return
    begin = time.perf_counter()
    views = head_features(
        state.network, training, recipe, workers=workers, process=process, on_stage=callbacks.on_stage
    )
    _, accuracy = fit_head(state, views, training, files=files, callbacks=callbacks)
    loss = _soften_head(state, views[0], training)
    record.keep_start(loss=loss, train_accuracy=accuracy, begin=begin)


def _soften_head(state: TrainingState, features: Tensor, training: ImageSet) -> float:
    """Scale the head down to the lowest loss of the training images; returns it, as a mean over them.

    As in training, labels are smoothed and classes weighted; there are no augmentations and no teacher.
    """
    recipe, layer = state.recipe, linear_head(state.network, state.recipe.model)
    labels, weights = torch.from_numpy(targets(training)), loss_weights(training, recipe)
    whole = Batch(features, labels, partner_labels=labels, share=1.0, step_size=len(training))
    with torch.no_grad():
        logits = nn.functional.linear(features, layer.weight.cpu(), layer.bias.cpu())

    def loss(scale: Tensor) -> Tensor:
        return batch_loss(scale * logits, whole, smoothing=recipe.optimize.label_smoothing, weights=weights)

    scale = _lowest_point(loss)
    with torch.no_grad():
        layer.weight.mul_(scale)
        layer.bias.mul_(scale)
        state.averaged.head.load_state_dict(state.network.head.state_dict())
        return float(loss(torch.tensor(scale))) / len(training)


def _lowest_point(function: Callable[[Tensor], Tensor]) -> float:
    """Where a convex function of a number from 0 to 1 is lowest."""

    def rises(at: float) -> bool:
        point = torch.tensor(at, requires_grad=True)
        (slope,) = torch.autograd.grad(function(point), point)
        return bool(slope > 0)

    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS if rises(high) else 0):
        middle = (low + high) / 2
        low, high = (low, middle) if rises(middle) else (middle, high)
    return high
