"""The confusion matrix as a table, reduced to the most confused classes if there are many."""

from __future__ import annotations

import numpy as np

from edgekit.evaluate.confusion import ConfusedPair, confused_pairs
from edgekit.evaluate.evaluation import ModelMetrics
from edgekit.report.html import Markup, concatenate, element, short_label

_MAX_ALL_CLASSES = 24  # with more classes, only the most confused ones are shown
_MAX_CONFUSED_CLASSES = 16
_MAX_PAIRS = 12
_DARK = 0.5  # shade above which a cell's number is white


def confusion_section(metrics: ModelMetrics) -> Markup:
    """The matrix of all classes or of the most confused ones, and the most confused pairs."""
    shown = _shown_classes(metrics)
    count = len(metrics.labels)
    title = "Rows are true classes, columns are predicted classes; cells are numbers of images."
    if len(shown) < count:
        title = f"The {len(shown)} most confused of {count} classes. {title}"
    matrix = element("div", {"class": "scroll"}, _table(metrics, shown)) if len(shown) > 1 else Markup()
    pairs = confused_pairs(metrics.confusion)[:_MAX_PAIRS]
    if not pairs:
        return concatenate(
            [element("p", {"class": "note"}, title), matrix, element("p", {}, "No classes are confused.")]
        )
    heading = element("h4", {}, "Most confused pairs" if pairs[0].images > 1 else "Confused pairs, once each")
    block = element("div", {"class": "pairs"}, heading, element("ol", {}, [_pair(metrics, pair) for pair in pairs]))
    left = element("div", {"class": "matrix"}, matrix, element("p", {"class": "note"}, title))
    return element("div", {"class": "split"}, left, block)


def _shown_classes(metrics: ModelMetrics) -> list[int]:
    if len(metrics.labels) <= _MAX_ALL_CLASSES:
        return list(range(len(metrics.labels)))
    confused: dict[int, None] = {}
    for pair in confused_pairs(metrics.confusion):
        if len(confused.keys() | {pair.truth, pair.predicted}) > _MAX_CONFUSED_CLASSES:
            break
        confused |= dict.fromkeys((pair.truth, pair.predicted))
    return sorted(confused)


def _table(metrics: ModelMetrics, shown: list[int]) -> Markup:
    header = [
        element("th", {"title": metrics.labels[i]}, element("span", {}, short_label(metrics.labels[i]))) for i in shown
    ]
    rows = [_row(metrics, truth, shown) for truth in shown]
    head = element("thead", {}, element("tr", {}, element("td", {}, ""), header))
    return element("table", {"class": "confusion"}, head, element("tbody", {}, rows))


def _row(metrics: ModelMetrics, truth: int, shown: list[int]) -> Markup:
    total = int(metrics.confusion[truth].sum())
    label = element(
        "th",
        {"title": f"{metrics.labels[truth]}: {total} images"},
        element("span", {}, short_label(metrics.labels[truth])),
    )
    return element("tr", {}, label, [_cell(metrics, truth, predicted, total) for predicted in shown])


def _cell(metrics: ModelMetrics, truth: int, predicted: int, total: int) -> Markup:
    count = int(metrics.confusion[truth, predicted])
    if not count:
        return element("td", {"class": "right"} if truth == predicted else {}, "")
    share = count / total
    # The square root makes confusions of a few percent visible.
    shade = float(np.sqrt(share))
    kind = f"{'right' if truth == predicted else 'wrong'}{' dark' if shade > _DARK else ''}"
    tooltip = (
        f"{metrics.labels[truth]} predicted as {metrics.labels[predicted]}: {count} of {total} ({100 * share:.1f}%)"
    )
    return element("td", {"class": kind, "style": f"--shade:{shade:.3f}", "title": tooltip}, str(count))


def _pair(metrics: ModelMetrics, pair: ConfusedPair) -> Markup:
    total = int(metrics.confusion[pair.truth].sum())
    names = element(
        "span",
        {"class": "names"},
        element("bdi", {"title": metrics.labels[pair.truth]}, short_label(metrics.labels[pair.truth])),
        element("span", {"class": "arrow"}, " → "),
        element(
            "bdi",
            {"class": "wrong", "title": metrics.labels[pair.predicted]},
            short_label(metrics.labels[pair.predicted]),
        ),
    )
    amount = element("span", {"class": "amount"}, f"{pair.images} of {total}")
    if total == 1:  # a full strip would suggest a frequent confusion
        return element("li", {}, names, amount)
    strip = element("span", {"class": "strip", "style": f"--share:{pair.images / total:.3f}"}, "")
    return element("li", {}, names, amount, strip)
