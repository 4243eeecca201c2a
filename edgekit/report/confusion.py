"""The confusion matrix as a table, and what of it a person can read where there are a thousand classes."""

from __future__ import annotations

import numpy as np

from edgekit.evaluate.confusion import Pair, confused_pairs
from edgekit.evaluate.evaluation import Figures
from edgekit.report.html import Markup, element, joined, short

_ALL_CLASSES = 24  # beside each other; of more than these, as many as follow
_MOST_CLASSES = 16
_PAIRS = 12
_DARK = 0.5  # share above which a cell's number is white


def confusion_section(figures: Figures) -> Markup:
    """The matrix of all classes, or of those that are confused most; and the most confused pairs."""
    shown = _shown_classes(figures)
    count = len(figures.labels)
    title = "Each row is a true class, each column an answer; figures are pictures."
    if len(shown) < count:
        title = f"The {len(shown)} classes that are confused most, of {count}. {title}"
    matrix = element("div", {"class": "scroll"}, _table(figures, shown)) if len(shown) > 1 else Markup()
    pairs = confused_pairs(figures.confusion)[:_PAIRS]
    if not pairs:
        return joined([element("p", {"class": "note"}, title), matrix, element("p", {}, "No class is confused.")])
    heading = element("h4", {}, "Most confused" if pairs[0].pictures > 1 else "Confused once each")
    block = element("div", {"class": "pairs"}, heading, element("ol", {}, [_pair(figures, pair) for pair in pairs]))
    left = element("div", {"class": "matrix"}, matrix, element("p", {"class": "note"}, title))
    return element("div", {"class": "split"}, left, block)


def _shown_classes(figures: Figures) -> list[int]:
    if len(figures.labels) <= _ALL_CLASSES:
        return list(range(len(figures.labels)))
    chosen: dict[int, None] = {}
    for pair in confused_pairs(figures.confusion):
        if len(chosen.keys() | {pair.truth, pair.predicted}) > _MOST_CLASSES:
            break
        chosen |= dict.fromkeys((pair.truth, pair.predicted))
    return sorted(chosen)


def _table(figures: Figures, shown: list[int]) -> Markup:
    header = [element("th", {"title": figures.labels[i]}, element("span", {}, short(figures.labels[i]))) for i in shown]
    rows = [_row(figures, truth, shown) for truth in shown]
    head = element("thead", {}, element("tr", {}, element("td", {}, ""), header))
    return element("table", {"class": "confusion"}, head, element("tbody", {}, rows))


def _row(figures: Figures, truth: int, shown: list[int]) -> Markup:
    total = int(figures.confusion[truth].sum())
    label = element(
        "th", {"title": f"{figures.labels[truth]}: {total} pictures"}, element("span", {}, short(figures.labels[truth]))
    )
    return element("tr", {}, label, [_cell(figures, truth, predicted, total) for predicted in shown])


def _cell(figures: Figures, truth: int, predicted: int, total: int) -> Markup:
    count = int(figures.confusion[truth, predicted])
    if not count:
        return element("td", {"class": "right"} if truth == predicted else {}, "")
    share = count / total
    # By the root: of ten thousand pictures the interesting confusions are a few percent.
    shade = float(np.sqrt(share))
    kind = f"{'right' if truth == predicted else 'wrong'}{' dark' if shade > _DARK else ''}"
    said = f"{figures.labels[truth]} answered as {figures.labels[predicted]}: {count} of {total} ({100 * share:.1f}%)"
    return element("td", {"class": kind, "style": f"--shade:{shade:.3f}", "title": said}, str(count))


def _pair(figures: Figures, pair: Pair) -> Markup:
    total = int(figures.confusion[pair.truth].sum())
    names = element(
        "span",
        {"class": "names"},
        element("bdi", {"title": figures.labels[pair.truth]}, short(figures.labels[pair.truth])),
        element("span", {"class": "arrow"}, " → "),
        element(
            "bdi", {"class": "wrong", "title": figures.labels[pair.predicted]}, short(figures.labels[pair.predicted])
        ),
    )
    amount = element("span", {"class": "amount"}, f"{pair.pictures} of {total}")
    if total == 1:  # a full strip would look like much
        return element("li", {}, names, amount)
    strip = element("span", {"class": "strip", "style": f"--share:{pair.pictures / total:.3f}"}, "")
    return element("li", {}, names, amount, strip)
