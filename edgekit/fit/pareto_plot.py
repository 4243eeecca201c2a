"""Accuracy over latency as inline SVG: candidates, those that no other one dominates, and the budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from edgekit.report.charts import svg, svg_line, svg_text
from edgekit.report.html import Markup, element

_WIDTH, _HEIGHT = 480, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 26, 44
_MARGIN = 0.06  # of the range of each axis, on both sides
_TICKS = 6  # about as many on each axis
Kind: TypeAlias = Literal["outside", "dominated", "front", "chosen"]

_RADII: dict[Kind, float] = {"outside": 2, "dominated": 2.6, "front": 4, "chosen": 6}


class Mark(NamedTuple):
    """A candidate in the plot.

    Attributes:
        latency_ms: milliseconds, above 0.
        accuracy: 0 to 1.
        is_inside: whether it keeps the budget.
        is_final: whether its accuracy is comparable with that of the others that are final.
        is_chosen: whether it is the result.
        tooltip: shown when the pointer is on it.
    """

    latency_ms: float
    accuracy: float
    is_inside: bool
    is_final: bool
    is_chosen: bool
    tooltip: str


def kinds(marks: Sequence[Mark]) -> list[Kind]:
    """What each candidate is: chosen, on the front, dominated by one of those inside the budget, or outside of it."""
    order = sorted(range(len(marks)), key=lambda n: (marks[n].latency_ms, -marks[n].accuracy))
    found: list[Kind] = ["dominated" if mark.is_inside else "outside" for mark in marks]
    best = -1.0
    for number in order:
        mark = marks[number]
        if mark.is_inside and mark.is_final and mark.accuracy > best:
            best, found[number] = mark.accuracy, "front"
    return ["chosen" if mark.is_chosen else kind for mark, kind in zip(marks, found, strict=True)]


def pareto_plot(marks: Sequence[Mark], budget_ms: float, *, x_title: str, y_title: str) -> Markup:
    """Accuracy over latency on a logarithmic axis, with a line through the front and one at the budget.

    Args:
        marks: at least one candidate.
        budget_ms: the latency of the budget, milliseconds.
        x_title: of the latency axis.
        y_title: of the accuracy axis, which is in percent.
    """
    kinded = list(zip(marks, kinds(marks), strict=True))
    x, y = _ranges(marks, budget_ms)

    def at(latency_ms: float, accuracy: float) -> tuple[float, float]:
        column = (math.log(latency_ms) - x[0]) / (x[1] - x[0])
        row = (y[1] - accuracy) / (y[1] - y[0])
        return _LEFT + column * (_WIDTH - _LEFT - _RIGHT), _TOP + row * (_HEIGHT - _TOP - _BOTTOM)

    parts, bottom = [], _HEIGHT - _BOTTOM
    for value in accuracy_ticks(*y):
        level = at(budget_ms, value)[1]
        parts += [
            svg_line((_LEFT, level), (_WIDTH - _RIGHT, level), "grid"),
            svg_text(f"{100 * value:g}", (_LEFT - 6, level + 4), "end"),
        ]
    for value in latency_ticks(math.exp(x[0]), math.exp(x[1])):
        column = at(value, y[0])[0]
        parts += [
            svg_line((column, _TOP), (column, bottom), "grid"),
            svg_text(f"{value:g}", (column, bottom + 16), "middle"),
        ]
    middle = (_TOP + bottom) / 2
    parts += [
        svg_text(x_title, ((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6), "middle", "title"),
        svg_text(y_title, (11, middle), "middle", "title", transform=f"rotate(-90 11 {middle:.0f})"),
        *_budget_line(at(budget_ms, y[0])[0], budget_ms),
        *_front_line([at(mark.latency_ms, mark.accuracy) for mark, kind in kinded if kind in ("front", "chosen")]),
    ]
    for mark, kind in sorted(kinded, key=lambda pair: _RADII[pair[1]]):  # the chosen one on top
        column, row = at(mark.latency_ms, mark.accuracy)
        place = {"cx": f"{column:.1f}", "cy": f"{row:.1f}", "r": f"{_RADII[kind]:g}"}
        parts.append(element("circle", {**place, "class": f"mark {kind}"}, element("title", {}, mark.tooltip)))
    return svg(_WIDTH, _HEIGHT, f"{y_title} over {x_title}", parts)


def latency_ticks(low: float, high: float) -> list[float]:
    """Round numbers between two latencies: 1, 2 and 5 times powers of ten, or evenly spaced ones if these are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in (1, 2, 5) if low <= factor * 10.0**power <= high]
    if len(ticks) > 2 * _TICKS:
        ticks = [tick for tick in ticks if math.log10(tick) % 1 < 1e-9]
    return ticks if len(ticks) >= 3 else _even_ticks(low, high)


def accuracy_ticks(low: float, high: float) -> list[float]:
    """Round accuracies between two others, 0 to 1."""
    return [tick for tick in _even_ticks(low, high) if 0 <= tick <= 1]


def _even_ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [round(n * step, 12) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _ranges(marks: Sequence[Mark], budget_ms: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """The ranges of the logarithm of the latency and of the accuracy that show all marks and the budget."""
    logarithms = [math.log(latency) for latency in (*(mark.latency_ms for mark in marks), budget_ms)]
    return _widened(logarithms, least=0.2), _widened([mark.accuracy for mark in marks], least=0.02)


def _widened(values: Sequence[float], *, least: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = max(_MARGIN * (high - low), (least - (high - low)) / 2)
    return low - margin, high + margin


def _budget_line(column: float, budget_ms: float) -> list[Markup]:
    anchor = "end" if column > _WIDTH / 2 else "start"
    text = svg_text(f"budget {budget_ms:g} ms", (column + (-5 if anchor == "end" else 5), _TOP - 8), anchor, "title")
    return [svg_line((column, _TOP - 16), (column, _HEIGHT - _BOTTOM), "limit"), text]


def _front_line(points: list[tuple[float, float]]) -> list[Markup]:
    """The staircase under which every other candidate lies; nothing for fewer than two points."""
    corners: list[tuple[float, float]] = []
    for point in sorted(points):
        if not corners:
            corners = [point]
        elif point[1] < corners[-1][1]:  # above the last one
            corners += [(point[0], corners[-1][1]), point]
    if len(corners) < 2:
        return []
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return [element("polyline", {"points": text, "class": "front-line"})]
