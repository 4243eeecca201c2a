"""Plots of a training run: curves and the confusion matrix. Needs the extra `report`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from edgekit.errors import MissingDependency
from edgekit.plots.style import COLORS, literal, new_figure, style_axes, write_figure

_MAX_NAMED_CLASSES = 30  # beside a matrix, more names than this are illegible


def write_training_plots(
    folder: Path,
    history: Sequence[dict[str, Any]],
    confusion: Tensor | None,
    *,
    classes: tuple[str, ...],
    kept_epoch: int | None = None,
) -> str | None:
    """Write curves.png if there were steps, and confusion.png if there is a matrix, if matplotlib is installed.

    Args:
        folder: the folder to write to.
        history: rows of results.csv, one for each epoch.
        confusion: int64 (classes, classes), a row for each true class; None for images with several labels each.
        classes: class names.
        kept_epoch: the epoch whose weights are the result, which is marked; None for no mark.

    Returns:
        A message for the user: what was written, or what to install; None if there is nothing to draw.
    """
    has_steps = len(history) > 1 or history[0]["learning_rate"] is not None  # else the head was solved for
    names = [*(["curves.png"] if has_steps else []), *([] if confusion is None else ["confusion.png"])]
    try:
        val = "val" if confusion is not None else "val mAP"
        if has_steps:
            write_figure(_curves(history, val=val, kept_epoch=kept_epoch), folder / "curves.png")
        if confusion is not None:
            write_figure(_confusion_matrix(confusion, classes), folder / "confusion.png")
    except MissingDependency as error:
        return f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'} not written: {error}"
    if not names:
        return None
    return f"wrote {' and '.join(str(folder / name) for name in names)}"


def _curves(history: Sequence[dict[str, Any]], *, val: str, kept_epoch: int | None) -> Any:
    """Draw loss, accuracy, learning rate and duration over the epochs."""
    figure = new_figure(10, 7)
    (loss, accuracy), (rate, seconds) = figure.subplots(2, 2)
    train, validation, recall, mark = COLORS[0], COLORS[1], COLORS[2], COLORS[5]
    _draw(loss, history, "loss", label="train", color=train)
    _draw(loss, history, "val_loss", label="val", color=validation)
    _draw(accuracy, history, "train_accuracy", label="train (augmented)", color=train, factor=100)
    _draw(accuracy, history, "val_accuracy", label=val, color=validation, factor=100)
    _draw(accuracy, history, "macro_recall", label="val, macro recall", color=recall, factor=100, linestyle="--")
    _draw(rate, history, "learning_rate", color=train)
    _draw(seconds, history, "seconds", color=train)
    for axes, label in ((loss, "loss"), (accuracy, "accuracy, %"), (rate, "learning rate"), (seconds, "seconds")):
        style_axes(axes, grid="both")
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if kept_epoch is not None:
            axes.axvline(kept_epoch, color=mark, linewidth=1, linestyle=":", label=f"kept: epoch {kept_epoch}")
    for axes in (rate, seconds):
        axes.update_datalim([(history[0]["epoch"], 0)])  # so that the margin above is a share of the whole height
        axes.autoscale_view()
        axes.set_ylim(bottom=0)
    for axes in (loss, accuracy):
        axes.legend()
    return figure


def _draw(
    axes: Any,
    history: Sequence[dict[str, Any]],
    column: str,
    *,
    color: str,
    label: str | None = None,
    factor: float = 1,
    linestyle: str = "-",
) -> None:
    """Draw a column of results.csv, without the epochs that do not have it."""
    rows = [row for row in history if row[column] is not None]
    if rows:
        epochs, values = [row["epoch"] for row in rows], [factor * row[column] for row in rows]
        axes.plot(epochs, values, marker=".", label=label, color=color, linestyle=linestyle)


def _confusion_matrix(confusion: Tensor, classes: tuple[str, ...]) -> Any:
    """Draw the matrix with each row as shares of its true class."""
    shares = (confusion / confusion.sum(1, keepdim=True).clamp(min=1)).numpy()
    side = max(4.0, min(0.4 * len(classes), 12.0)) + 1
    figure = new_figure(side, side)
    axes = figure.subplots()
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    axes.set(xlabel="predicted", ylabel="true")
    if len(classes) <= _MAX_NAMED_CLASSES:
        names = list(map(literal, classes))
        axes.set_xticks(range(len(classes)), labels=names, rotation=90)
        axes.set_yticks(range(len(classes)), labels=names)
    return figure
