"""The common style of matplotlib figures (the `report` extra), and the files they are written to."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from edgekit.errors import SpecError, unknown
from edgekit.files import write_atomically
from edgekit.optional import require

COLORS = ("#2662a6", "#d0762b", "#2e8b76", "#7a57a8", "#a8323e", "#5c6670")  # of models, as on the report's page

_SUFFIXES = (".png", ".svg", ".pdf")


def check_plot(path: Path) -> None:
    """Raises what `write_figure` would raise for this path, before minutes are spent on what is to be drawn.

    SpecError unless it ends in .png, .svg or .pdf, MissingDependency without matplotlib.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise SpecError(f"{path}: {unknown('ending of a plot', path.suffix, _SUFFIXES)}")
    require("matplotlib.figure", extra="report")


def new_figure(width: float, height: float) -> Any:
    """An empty figure of that size in inches. Raises MissingDependency without matplotlib."""
    return require("matplotlib.figure", extra="report").Figure(figsize=(width, height), layout="constrained")


def style_axes(axes: Any, *, grid: Literal["x", "y", "both"]) -> None:
    """A faint grid behind the data, and no frame at the top and right, where nothing is read from it."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color="#e4e2dd", linewidth=0.8)
    axes.set_axisbelow(True)


def literal(name: str) -> str:
    """A name that matplotlib shows as it is: dollar signs would begin a formula."""
    return name.replace("$", r"\$")


def write_figure(figure: Any, path: Path) -> None:
    """In the format of the path's ending. Raises as check_plot, and EdgekitError if the file cannot be written."""
    check_plot(path)
    data = BytesIO()
    figure.savefig(data, format=path.suffix.lower()[1:], dpi=120)
    write_atomically(path, data.getvalue())
