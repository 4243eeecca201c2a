"""The table of classes: precision, recall, F1 score, and its change from the first model."""

from __future__ import annotations

from edgekit.evaluate.confusion import ClassMetrics
from edgekit.evaluate.evaluation import ModelMetrics
from edgekit.report.html import Markup, concatenate, element

_MAX_OPEN_CLASSES = 20  # with more classes, all but the weakest are collapsed
_WEAKEST = 12
_FEW_IMAGES = 10  # mean number per class below which the figures say little


def class_table(metrics: ModelMetrics, first: ModelMetrics) -> Markup:
    """The classes that have images, the weakest first, with the change of F1 unless the model is the first one."""
    rows = sorted((row for row in metrics.classes if row.images), key=lambda row: (row.f1 or 0.0, row.index))
    f1_before = None if metrics is first else _f1_before(metrics, first)
    cells = [_row(row, f1_before) for row in rows]
    note = _note(rows)
    if len(cells) <= _MAX_OPEN_CLASSES:
        return concatenate((note, _table(cells, changes=f1_before is not None)))
    summary = element("summary", {}, f"All {len(cells):,} classes with images, weakest first")
    heading = element("p", {"class": "note"}, f"The {_WEAKEST} weakest classes:")
    weakest, full = (_table(part, changes=f1_before is not None) for part in (cells[:_WEAKEST], cells))
    return concatenate((note, heading, weakest, element("details", {"class": "more"}, summary, full)))


def _f1_before(metrics: ModelMetrics, first: ModelMetrics) -> dict[int, float]:
    """The first model's F1 by this model's class index, because their labels may be in different orders."""
    first_index = dict(zip(metrics.accuracy.truth.tolist(), first.accuracy.truth.tolist(), strict=True))
    return {index: first.classes[other].f1 or 0.0 for index, other in first_index.items()}


def _note(rows: list[ClassMetrics]) -> Markup:
    images = sum(row.images for row in rows) / len(rows)
    if images >= _FEW_IMAGES:
        return Markup()
    note = f"Mean images per class: {images:.2g}. That is too few to judge single classes."
    return element("p", {"class": "note"}, note)


def _table(rows: list[Markup], *, changes: bool) -> Markup:
    names = ("class", "images", "precision", "recall", "F1", *(("change",) if changes else ()))
    head = element("thead", {}, element("tr", {}, [element("th", {}, name) for name in names]))
    return element("div", {"class": "scroll"}, element("table", {"class": "classes"}, head, element("tbody", {}, rows)))


def _row(row: ClassMetrics, f1_before: dict[int, float] | None) -> Markup:
    shares = [share_cell(share) for share in (row.precision, row.recall, row.f1)]
    change = Markup() if f1_before is None else _change_cell((row.f1 or 0.0) - f1_before[row.index])
    name = element("th", {"title": row.label}, element("bdi", {}, row.label))
    return element("tr", {}, name, element("td", {}, f"{row.images:,}"), shares, change)


def share_cell(share: float | None) -> Markup:
    """A share, 0 to 1, as a percentage over a strip of that length; None as a dash."""
    if share is None:
        return element("td", {}, "–")
    strip = element("span", {"class": "strip", "style": f"--share:{share:.3f}"}, "")
    return element("td", {}, f"{100 * share:.1f}%", strip)


def _change_cell(change: float) -> Markup:
    """The change of F1 in percentage points."""
    points = f"{100 * change:+.1f}"
    if float(points) == 0:
        return element("td", {}, "0")
    return element("td", {"class": "down" if change < 0 else "up"}, points)
