"""The accuracy and cost of crop plans as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgekit.evaluate.compare_crops import PlanScore
from edgekit.plots.style import COLORS, bare, new_figure, plain, write_figure

_TICKS = (1, 1.25, 1.5, 2, 3, 5, 10, 20, 50, 100)
_SHOWN_BELOW = 4.0  # points under the center crop: what is worse would press all others together


def draw(scores: Sequence[PlanScore], best: PlanScore, path: Path, *, of: str) -> None:
    """Shares of right answers over time, fixed plans as points, adaptive crops as a line, the best one marked.

    A fixed plan that is far worse than the center crop lies at the lower edge, with its share. of: what right means.
    Raises as write_figure.
    """
    figure = new_figure(8, 5)
    axes = figure.subplots()
    fixed, adaptive = ([s for s in scores if (s.budget is None) == kind] for kind in (True, False))
    floor = 100 * next(s.right for s in fixed if s.plan == "center") - _SHOWN_BELOW
    for score in fixed:
        _draw_fixed(axes, score, floor)
    axes.plot([s.time for s in adaptive], [100 * s.right for s in adaptive], "o-", color=COLORS[0], label="adaptive")
    for score in adaptive:
        _named(axes, f"{score.budget:g}", (score.time, 100 * score.right), (-4, 9))
    axes.plot([best.time], [100 * best.right], "o", ms=14, mfc="none", color=COLORS[1], label="recommended")
    ticks = [tick for tick in _TICKS if tick <= max(s.time for s in scores)]
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="time of a picture, in predictions of one crop", ylabel=f"{of} in %")
    axes.margins(0.08)
    axes.legend(loc="lower right", frameon=False)
    bare(axes, grid="both")
    write_figure(figure, path)


def _draw_fixed(axes: Any, score: PlanScore, floor: float) -> None:
    right, seen = 100 * score.right, score.plan == "center"  # one of them stands in the legend
    place, name = (score.time, max(right, floor)), plain(score.plan)
    axes.plot(*place, "o" if right >= floor else "v", color=COLORS[5], label="fixed plans" if seen else None)
    _named(axes, name if right >= floor else f"{name} {right:.1f}", place, (8, -4))


def _named(axes: Any, name: str, place: tuple[float, float], offset: tuple[int, int]) -> None:
    axes.annotate(name, place, xytext=offset, textcoords="offset points", fontsize=8)
