"""The common style of matplotlib figures, and writing them to files. Needs the extra `report`."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from edgekit.errors import DataWarning, SpecError, printable, truncated, unknown
from edgekit.files import write_atomically
from edgekit.optional import require

COLORS = ("#2662a6", "#d0762b", "#2e8b76", "#7a57a8", "#a8323e", "#5c6670")  # of models, as on the report page

_SUFFIXES = (".png", ".svg", ".pdf")
_MAX_NAME = 40  # characters; longer names leave no room for what they name


def check_plot(path: Path) -> None:
    """Check that a figure can be written, before minutes are spent on what it shows.

    Args:
        path: a .png, .svg or .pdf file.

    Raises:
        SpecError: the file name has another ending.
        MissingDependency: matplotlib is not installed.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise SpecError(f"{path}: {unknown('file format of a plot', path.suffix, _SUFFIXES)}")
    require("matplotlib.figure", extra="report")


def new_figure(width: float, height: float) -> Any:
    """Create an empty figure.

    Args:
        width: in inches.
        height: in inches.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    return require("matplotlib.figure", extra="report").Figure(figsize=(width, height), layout="constrained")


def style_axes(axes: Any, *, grid: Literal["x", "y", "both"]) -> None:
    """Draw a faint grid behind the data, and no frame at the top and right."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color="#e4e2dd", linewidth=0.8)
    axes.set_axisbelow(True)


def literal(name: str) -> str:
    """Return a name as matplotlib must be given it to draw just its characters, without the middle of a long one.

    Dollar signs start no formula; line ends, changes of the writing direction and the like become escape sequences.
    """
    return truncated(printable(name), _MAX_NAME).replace("$", r"\$")


def write_figure(figure: Any, path: Path) -> None:
    """Write a figure in the format of the file name's ending. Warns of characters that matplotlib's font lacks.

    Args:
        figure: from `new_figure`.
        path: a .png, .svg or .pdf file.

    Raises:
        SpecError: the file name has another ending.
        EdgekitError: the file cannot be written.
    """
    check_plot(path)
    data = BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", message="Glyph .* missing")
        figure.savefig(data, format=path.suffix.lower()[1:], dpi=120)
    write_atomically(path, data.getvalue())
    boxes = [warning for warning in caught if "missing" in str(warning.message)]
    for warning in caught:
        if warning not in boxes:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if boxes:
        message = (
            f"{path}: matplotlib's font lacks characters of some names, drawn as boxes; set font.family in matplotlibrc"
        )
        warnings.warn(message, DataWarning, stacklevel=2)
