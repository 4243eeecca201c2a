"""Plots of a training run: curves and the confusion matrix. Needs the extra `report`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from edgekit.errors import MissingDependency
from edgekit.plots.style import literal, new_figure, write_figure

_MAX_NAMED_CLASSES = 30  # beside a matrix, more names than this are illegible


def write_training_plots(
    folder: Path, history: Sequence[dict[str, Any]], confusion: Tensor | None, classes: tuple[str, ...]
) -> str:
    """Write curves.png, and confusion.png if there is a confusion matrix, if matplotlib is installed.

    Args:
        folder: the folder to write to.
        history: rows of results.csv, one for each epoch.
        confusion: int64 (classes, classes), a row for each true class; None for images with several labels each.
        classes: class names.

    Returns:
        A message for the user: what was written, or what to install.
    """
    names = ["curves.png", *([] if confusion is None else ["confusion.png"])]
    try:
        write_figure(_curves(history, val="val" if confusion is not None else "val mAP"), folder / "curves.png")
        if confusion is not None:
            write_figure(_confusion_matrix(confusion, classes), folder / "confusion.png")
    except MissingDependency as error:
        return f"{' and '.join(names)} {'was' if confusion is None else 'were'} not written: {error}"
    return f"wrote {' and '.join(str(folder / name) for name in names)}"


def _curves(history: Sequence[dict[str, Any]], *, val: str) -> Any:
    figure = new_figure(9, 4)
    loss, accuracy = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    loss.plot(epochs, [row["loss"] for row in history], marker=".")
    loss.set(xlabel="epoch", ylabel="training loss")
    accuracy.plot(epochs, [100 * row["train_accuracy"] for row in history], marker=".", label="train (augmented)")
    evaluated = [row for row in history if row["val_accuracy"] is not None]
    accuracy.plot(
        [row["epoch"] for row in evaluated], [100 * row["val_accuracy"] for row in evaluated], marker=".", label=val
    )
    accuracy.set(xlabel="epoch", ylabel="accuracy, %")
    accuracy.legend(loc="lower right")
    return figure


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
