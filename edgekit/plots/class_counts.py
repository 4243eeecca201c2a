"""The plot of images per class. Needs the extra `report`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import MissingDependency
from edgekit.plots.style import COLORS, literal, new_figure, style_axes, write_figure

_MAX_NAMED_CLASSES = 30  # more names than this are illegible beside the bars
_LOG_RATIO = 30  # from here on, a linear scale would show the smallest classes as a line of a few pixels
Counts = npt.NDArray[np.int64]


def write_class_counts(path: Path, counts: Mapping[str, Counts], *, classes: tuple[str, ...]) -> str:
    """Draw the number of images of each class, the largest first, if matplotlib is installed.

    Args:
        path: the .png file to write.
        counts: for each split, such as "train", int64 (classes,) numbers of images; the first decides the order.
        classes: class names.

    Returns:
        A message for the user: what was written, or what to install.
    """
    order = np.argsort(-next(iter(counts.values())), kind="stable")
    ranked = tuple(classes[index] for index in order.tolist())
    try:
        if len(classes) <= _MAX_NAMED_CLASSES:
            write_figure(_bars({split: values[order] for split, values in counts.items()}, ranked), path)
        else:
            write_figure(_lines(counts, ranked), path)
    except MissingDependency as error:
        return f"{path.name} was not written: {error}"
    return f"wrote {path}"


def _bars(counts: Mapping[str, Counts], classes: tuple[str, ...]) -> Any:
    """Draw a bar for each class and split, with its number."""
    figure = new_figure(8, 1.2 + 0.2 * len(classes) * len(counts))
    axes = figure.subplots()
    thickness, rows = 0.8 / len(counts), np.arange(len(classes))
    for number, (split, values) in enumerate(counts.items()):
        places = rows + (number - (len(counts) - 1) / 2) * thickness
        bars = axes.barh(places, values, thickness, color=COLORS[number], label=split)
        axes.bar_label(bars, fontsize=7, padding=2)
    axes.set_yticks(rows, labels=list(map(literal, classes)))
    axes.set_ylim(len(classes) - 0.5, -0.5)
    style_axes(axes, grid="x")
    axes.set_xlabel("images")
    axes.legend(loc="lower right")
    return figure


def _lines(counts: Mapping[str, Counts], classes: tuple[str, ...]) -> Any:
    """Draw a falling line for each split, and name the largest, the median and the smallest class."""
    figure = new_figure(10, 4.5)
    axes = figure.subplots()
    ranks = np.arange(1, len(classes) + 1)
    for number, (split, values) in enumerate(counts.items()):
        falling = np.sort(values)[::-1]
        axes.fill_between(ranks, falling, step="mid", color=COLORS[number], alpha=0.2, linewidth=0)
        axes.step(ranks, falling, where="mid", color=COLORS[number], label=split)
    split, values = next(iter(counts.items()))
    falling = np.sort(values)[::-1].tolist()
    for name, rank in (("largest", 0), ("median", len(classes) // 2), ("smallest", len(classes) - 1)):
        axes.plot([], [], " ", label=f"{name}: {literal(classes[rank])}, {falling[rank]} {split} images")
    style_axes(axes, grid="y")
    if falling[0] >= _LOG_RATIO * max(falling[-1], 1):
        axes.set_yscale("symlog", linthresh=1)  # symlog, because a class may have no val images
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylim(bottom=0)
    axes.set_xlim(0.5, len(classes) + 0.5)
    axes.set(xlabel=f"{len(classes)} classes, the largest of each split first", ylabel="images")
    axes.legend(loc="upper right")
    return figure
