"""The figure of crop plans: accuracy over time. Needs the extra `report`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgekit.evaluate.compare_crops import PlanScore
from edgekit.plots.style import COLORS, literal, new_figure, style_axes, write_figure

_TICKS = (1, 1.25, 1.5, 2, 3, 5, 10, 20, 50, 100)
_SHOWN_BELOW = 4.0  # percentage points below the center crop; worse plans would squeeze all others together


def write_plot(scores: Sequence[PlanScore], best: PlanScore, path: Path, *, metric: str) -> None:
    """Write the figure: fixed plans as points, adaptive crops as a line, and the recommended plan marked.

    A fixed plan that is far worse than the center crop is drawn at the lower edge, with its value.

    Args:
        scores: scores of all plans; one fixed plan is "center".
        best: the recommended plan.
        path: a .png, .svg or .pdf file.
        metric: what the y axis shows, such as "top-1 accuracy".

    Raises:
        SpecError: the file name has another ending.
        MissingDependency: matplotlib is not installed.
        EdgekitError: the file cannot be written.
    """
    figure = new_figure(8, 5)
    axes = figure.subplots()
    fixed, adaptive = ([s for s in scores if (s.budget is None) == is_fixed] for is_fixed in (True, False))
    floor = 100 * next(s.right for s in fixed if s.plan == "center") - _SHOWN_BELOW
    for score in fixed:
        _draw_fixed(axes, score, floor)
    axes.plot([s.time for s in adaptive], [100 * s.right for s in adaptive], "o-", color=COLORS[0], label="adaptive")
    for score in adaptive:
        _annotate(axes, f"{score.budget:g}", (score.time, 100 * score.right), (-4, 9))
    axes.plot([best.time], [100 * best.right], "o", ms=14, mfc="none", color=COLORS[1], label="recommended")
    ticks = [tick for tick in _TICKS if tick <= max(s.time for s in scores)]
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="time per image, relative to one crop", ylabel=f"{literal(metric)}, %")
    axes.margins(0.08)
    axes.legend(loc="lower right", frameon=False)
    style_axes(axes, grid="both")
    write_figure(figure, path)


def _draw_fixed(axes: Any, score: PlanScore, floor: float) -> None:
    percent, is_in_legend = 100 * score.right, score.plan == "center"  # one entry stands for all fixed plans
    place, name = (score.time, max(percent, floor)), literal(score.plan)
    axes.plot(*place, "o" if percent >= floor else "v", color=COLORS[5], label="fixed plans" if is_in_legend else None)
    _annotate(axes, name if percent >= floor else f"{name} {percent:.1f}", place, (8, -4))


def _annotate(axes: Any, text: str, place: tuple[float, float], offset: tuple[int, int]) -> None:
    axes.annotate(text, place, xytext=offset, textcoords="offset points", fontsize=8)
