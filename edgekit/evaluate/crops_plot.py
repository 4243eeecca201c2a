"""The accuracy and cost of crop plans as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekit.evaluate.crops import PlanScore
from edgekit.evaluate.plots import new_figure, write_figure


def draw(scores: Sequence[PlanScore], best: PlanScore, path: Path, *, of: str) -> None:
    """Shares of right answers over time, fixed plans as points, adaptive crops as a line, the best one marked.

    of: what right means. Raises as write_figure.
    """
    figure = new_figure(8, 5)
    axes = figure.subplots()
    fixed, adaptive = ([s for s in scores if (s.budget is None) == kind] for kind in (True, False))
    axes.plot([s.time for s in fixed], [100 * s.right for s in fixed], "o", color="#64748b", label="fixed plans")
    axes.plot([s.time for s in adaptive], [100 * s.right for s in adaptive], "o-", color="#2563eb", label="adaptive")
    axes.plot([best.time], [100 * best.right], "o", ms=14, mfc="none", color="#dc2626", label="recommended")
    for score in scores:
        name = score.plan if score.budget is None else f"{score.budget:g}"
        axes.annotate(name, (score.time, 100 * score.right), xytext=(5, 5), textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel("time of a picture, in predictions of one crop")
    axes.set_ylabel(f"{of} in %")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    write_figure(figure, path)
