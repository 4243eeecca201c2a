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
    return int(_best_row(history, monitor).get("epoch", 0))


def epoch_to_keep(history: Sequence[Mapping[str, Any]], monitor: str, *, images: int) -> int:
    """The number of the epoch whose weights are kept: the best one, unless training started from a solved head.

    That head, epoch 0, is kept unless the best epoch exceeds `figure_to_exceed`: as the simpler model, it has the
    benefit of the doubt (Breiman et al. 1984, Classification and Regression Trees, section 3.4.3).

    Args:
        history: rows of results.csv.
        monitor: from `monitored_figure`.
        images: number of validation images.
    """
    best = best_epoch(history, monitor)
    if best and history[0]["epoch"] == 0:
        needed = figure_to_exceed(history[0], monitor, images=images)
        return best if _rank(_best_row(history, monitor), monitor)[0] > needed else 0
    return best


def figure_to_exceed(start: Mapping[str, Any], monitor: str, *, images: int) -> float:
    """The figure from which on an epoch is clearly better than a solved head: that of the head, and its standard error.

    The figure is taken as a share of the images, of which two more are right and two more wrong, so that 0 and 1 are
    not certain (Agresti and Coull 1998, "Approximate is Better than Exact for Interval Estimation of Binomial
    Proportions"). Of the loss, which is no share, it is the negative.

    Args:
        start: the row of the head in results.csv.
        monitor: from `monitored_figure`.
        images: number of validation images.
    """
    figure, _ = _rank(start, monitor)
    if monitor == "loss":
        return figure
    share = (figure * images + 2) / (images + 4)
    return figure + math.sqrt(share * (1 - share) / (images + 4))


def _best_row(history: Sequence[Mapping[str, Any]], monitor: str) -> Mapping[str, Any]:
    ranked = [row for row in history if row[_COLUMNS[monitor]] is not None]
    return max(ranked, key=lambda row: _rank(row, monitor), default={})


def _rank(row: Mapping[str, Any], monitor: str) -> tuple[float, float]:
    # Runs that an older version began have no validation loss.
    gain = -math.inf if row["val_loss"] is None else -row["val_loss"]
    return (gain if monitor == "loss" else row[_COLUMNS[monitor]], gain)
