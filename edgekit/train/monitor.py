"""Which epoch of a run is the best, by a figure of the validation images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.errors import SpecError, quote
from edgekit.preprocess.scores import Task
from edgekit.train.recipe import Recipe

_COLUMNS = {"top1": "val_accuracy", "map": "val_accuracy", "macro-recall": "macro_recall", "loss": "val_loss"}
# The first is the default.
_FIGURES: Mapping[Task, tuple[str, ...]] = {
    "single-label": ("top1", "macro-recall", "loss"),
    "multi-label": ("map", "loss"),
}


def monitored_figure(recipe: Recipe, task: Task) -> str:
    """The figure that decides which epoch is best: the recipe's `monitor`, or the default of the task.

    Raises:
        SpecError: images of this task do not have the figure.
    """
    figures = _FIGURES[task]
    if recipe.monitor is None:
        return figures[0]
    if recipe.monitor not in figures:
        labels = "one label" if task == "single-label" else "several labels"
        raise SpecError(
            f"`monitor` {quote(recipe.monitor)} is no figure of images with {labels} each; they have "
            f"{', '.join(figures[:-1])} and {figures[-1]}"
        )
    return recipe.monitor


def best_epoch(history: Sequence[Mapping[str, Any]], monitor: str) -> int:
    """The number of the best epoch; 0 if none was evaluated.

    Of epochs with the same figure, the one with the lower validation loss is better: a few validation images are soon
    all right, while the network still learns. Of those, it is the first.

    Args:
        history: rows of results.csv.
        monitor: from `monitored_figure`.
    """
    ranked = [row for row in history if row[_COLUMNS[monitor]] is not None]

    def rank(row: Mapping[str, Any]) -> tuple[float, float]:
        # Runs that an older version began have no validation loss.
        gain = -math.inf if row["val_loss"] is None else -row["val_loss"]
        return (gain if monitor == "loss" else row[_COLUMNS[monitor]], gain)

    return max(ranked, key=rank)["epoch"] if ranked else 0
