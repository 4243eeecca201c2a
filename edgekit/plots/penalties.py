"""The plot of a search for a penalty. Needs the extra `report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.errors import MissingDependency
from edgekit.plots.style import COLORS, new_figure, style_axes, write_figure


def write_penalties(
    path: Path, losses: Mapping[str, Sequence[tuple[float, float]]], *, chosen: tuple[float, float]
) -> str:
    """Draw the loss of held-out images at each penalty, if matplotlib is installed.

    Args:
        path: the .png file to write.
        losses: for each way to fit, pairs of penalty and loss.
        chosen: the pair that was chosen, which is marked.

    Returns:
        A message for the user: what was written, or what to install.
    """
    try:
        figure = new_figure(7, 4)
        axes = figure.subplots()
        for number, (name, pairs) in enumerate(losses.items()):
            axes.plot(*zip(*pairs, strict=True), marker=".", color=COLORS[number], label=name)
        axes.plot(*chosen, marker="o", markersize=10, fillstyle="none", color="black", linestyle="", label="chosen")
        style_axes(axes, grid="both")
        axes.set(xlabel="penalty", ylabel="loss of held-out images", xscale="log")
        axes.set_ylim(bottom=0)
        axes.legend()
        write_figure(figure, path)
    except MissingDependency as error:
        return f"{path.name} was not written: {error}"
    return f"wrote {path}"
