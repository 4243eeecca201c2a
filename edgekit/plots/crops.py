"""The figure of crop plans: a row for each, with its gain over the center crop and its time. Needs extra `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.evaluate.compare_crops import CropComparison, PlanScore
from edgekit.plots.style import COLORS, literal, new_figure, style_axes, write_figure

_FIXED, _ADAPTIVE, _RECOMMENDED = COLORS[5], COLORS[0], COLORS[1]
_TICKS = {8: (1, 1.25, 1.5, 2, 3, 5), 500: (1, 2, 5, 10, 20, 50, 100, 200)}  # by the largest time that they suit
_SHOWN_BELOW = 5.0  # percentage points below the center crop; worse plans would squeeze all others together
_ROW_HEIGHT, _FRAME_HEIGHT = 0.3, 1.5  # inches


def write_plot(comparison: CropComparison, path: Path, *, metric: str) -> None:
    """Write the figure: the cheapest plan first, and the recommended one, or the center crop, marked.

    Every plan has a row of its own, so that no label can cover another. The gain of a plan that is far worse than the
    center crop is written at the left edge instead of drawn.

    Args:
        comparison: scores of all plans.
        path: a .png, .svg or .pdf file.
        metric: what the shares of correct predictions are called, such as "top-1".

    Raises:
        SpecError: the file name has another ending.
        MissingDependency: matplotlib is not installed.
        EdgekitError: the file cannot be written.
    """
    write_figure(crop_figure(comparison, metric=metric), path)


def crop_figure(comparison: CropComparison, *, metric: str) -> Any:
    """Draw the figure of `write_plot`.

    Args:
        comparison: scores of all plans.
        metric: what the shares of correct predictions are called, such as "top-1".

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    scores = sorted(comparison.scores, key=lambda score: (score.time, score.plan != "center", score.budget or 0))
    best = comparison.recommended or comparison.scores[0]
    colors = [_RECOMMENDED if s is best else _FIXED if s.budget is None else _ADAPTIVE for s in scores]
    figure = new_figure(10, _FRAME_HEIGHT + _ROW_HEIGHT * len(scores))
    gains, times = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    _draw_gains(gains, scores, colors)
    _draw_times(times, [score.time for score in scores], colors)
    gains.set_yticks(range(len(scores)), [f"{literal(s.name)}   {100 * s.right:.2f}%" for s in scores])
    gains.get_yticklabels()[scores.index(best)].set_fontweight("bold")
    gains.set_ylim(len(scores) - 0.5, -0.5)
    for axes in (gains, times):
        style_axes(axes, grid="x")
        axes.tick_params(axis="y", length=0)
    _write_legend(figure, comparison, metric)
    return figure


def _draw_gains(axes: Any, scores: list[PlanScore], colors: list[str]) -> None:
    floor = min(100 * score.gain.low for score in scores if 100 * score.gain.value >= -_SHOWN_BELOW)
    axes.axvline(0, color=_FIXED, linewidth=0.8)
    for row, (score, color) in enumerate(zip(scores, colors, strict=True)):
        value, low, high = (100 * end for end in (score.gain.value, score.gain.low, score.gain.high))
        if value >= -_SHOWN_BELOW:
            axes.hlines(row, low, high, color=color, linewidth=1.5)
            axes.plot([value], [row], "o", color=color)
        else:
            text, place = f"{value:.1f} ({low:.1f} to {high:.1f})", (floor, row)
            axes.plot(*place, "<", color=color)
            axes.annotate(text, place, (8, 0), textcoords="offset points", va="center", fontsize="small")
    axes.set_xlabel("gain over center, points")


def _draw_times(axes: Any, times: list[float], colors: list[str]) -> None:
    axes.hlines(range(len(times)), 1, times, colors=colors, linewidth=1.5)
    axes.scatter(times, range(len(times)), c=colors, s=36)
    axes.set_xscale("log")
    longest = max(1.5, *times)
    ticks = next((ticks for end, ticks in _TICKS.items() if longest <= end), _TICKS[500])
    axes.set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(longest**-0.05, longest**1.05)
    axes.set_xlabel("time, relative to one view")


def _write_legend(figure: Any, comparison: CropComparison, metric: str) -> None:
    """Write above both diagrams, where no row is, what the colors and lines mean."""
    result = "recommended" if comparison.recommended else "center: no plan is recommended"
    entries = {_RECOMMENDED: result, _FIXED: "fixed plan", _ADAPTIVE: "adaptive crops, by budget"}
    handles = [figure.axes[0].plot([], [], "o-", color=color)[0] for color in entries]
    title = f"{literal(metric)} on {comparison.images} images; paired 95% intervals, corrected for the number of plans"
    texts = list(entries.values())
    figure.legend(handles, texts, title=title, loc="outside upper center", ncols=len(entries), frameon=False)
