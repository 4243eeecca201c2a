"""Fine-tuning starts from the best head for the features of the pretrained body, and ends no worse than with it.

A random head sends large gradients into the body and distorts what that has learned, until the head has settled.

Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution",
section 3.4.
"""

from __future__ import annotations

import time

from edgekit.dataset import ImageSet
from edgekit.train.callbacks import Callbacks
from edgekit.train.distributed import TrainingProcess
from edgekit.train.feeds import head_features
from edgekit.train.head_solver import fit_head
from edgekit.train.run_folder import RunFolder
from edgekit.train.run_record import RunRecord
from edgekit.train.state import TrainingState
from edgekit.train.tune import has_linear_head


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
    loss, accuracy = fit_head(state, views, training, files=files, callbacks=callbacks)
    record.keep_start(loss=loss, train_accuracy=accuracy, begin=begin)
