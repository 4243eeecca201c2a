"""Every class in a row: how often it is right, found, and both; and what changed against the first model."""

from __future__ import annotations

from edgekit.evaluate.confusion import ClassFigures
from edgekit.evaluate.evaluation import Figures
from edgekit.report.html import Markup, element, joined

_CLASSES_OPEN = 20  # more classes than this are folded away, the weakest excepted
_WEAKEST = 12
_FEW_PICTURES = 10  # of a class, in the mean: fewer say little of it


def class_table(figures: Figures, first: Figures) -> Markup:
    """The classes that have pictures, the weakest first; of another model than the first, with the change of F1."""
    rows = sorted((row for row in figures.classes if row.pictures), key=lambda row: (row.f1 or 0.0, row.index))
    before = None if figures is first else _f1_before(figures, first)
    cells = [_row(row, before) for row in rows]
    note = _note(rows)
    if len(cells) <= _CLASSES_OPEN:
        return joined((note, _table(cells, changes=before is not None)))
    folded = element("summary", {}, f"all {len(cells):,} classes that have pictures, the weakest first")
    weakest = element("p", {"class": "note"}, f"The {_WEAKEST} weakest:")
    few, every = (_table(part, changes=before is not None) for part in (cells[:_WEAKEST], cells))
    return joined((note, weakest, few, element("details", {"class": "more"}, folded, every)))


def _f1_before(figures: Figures, first: Figures) -> dict[int, float]:
    """What the first model had, by this one's class index: their labels may lie in another order."""
    same = dict(zip(figures.accuracy.truth.tolist(), first.accuracy.truth.tolist(), strict=True))
    return {index: first.classes[other].f1 or 0.0 for index, other in same.items()}


def _note(rows: list[ClassFigures]) -> Markup:
    pictures = sum(row.pictures for row in rows) / len(rows)
    if pictures >= _FEW_PICTURES:
        return Markup()
    said = f"A class has {pictures:.2g} pictures in the mean: too few to say much of any one class."
    return element("p", {"class": "note"}, said)


def _table(rows: list[Markup], *, changes: bool) -> Markup:
    names = ("class", "pictures", "precision", "recall", "F1", *(("change",) if changes else ()))
    head = element("thead", {}, element("tr", {}, [element("th", {}, name) for name in names]))
    return element("div", {"class": "scroll"}, element("table", {"class": "classes"}, head, element("tbody", {}, rows)))


def _row(row: ClassFigures, before: dict[int, float] | None) -> Markup:
    shares = [_share_cell(share) for share in (row.precision, row.recall, row.f1)]
    change = Markup() if before is None else _change_cell((row.f1 or 0.0) - before[row.index])
    name = element("th", {"title": row.label}, element("bdi", {}, row.label))
    return element("tr", {}, name, element("td", {}, f"{row.pictures:,}"), shares, change)


def _share_cell(share: float | None) -> Markup:
    if share is None:
        return element("td", {}, "–")
    strip = element("span", {"class": "strip", "style": f"--share:{share:.3f}"}, "")
    return element("td", {}, f"{100 * share:.1f}%", strip)


def _change_cell(change: float) -> Markup:
    """In points of F1 against the first model."""
    said = f"{100 * change:+.1f}"
    if float(said) == 0:
        return element("td", {}, "0")
    return element("td", {"class": "down" if change < 0 else "up"}, said)
