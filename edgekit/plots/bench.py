"""The figure of a benchmark: latency by threads, and time by operator. Needs the extra `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.bench.result import BenchResult
from edgekit.plots.style import COLORS, literal, new_figure, style_axes, write_figure

_OPERATORS = 4
_LABELED_SHARE = 0.09  # smallest share whose part of the bar has room for the operator's name
_HEADROOM = 1.6  # relative to the tallest median; longer p95 lines are cut off, as their value is printed anyway
# Different from the colors of models.
_OPERATOR_COLORS = ("#5b7f95", "#a9c1c9", "#c9a66b", "#e5d3b3", "#8a9a5b", "#c3cba3", "#9b7e9f", "#d3bfd6")


def write_plot(bench: BenchResult, path: Path) -> None:
    """Write the figure of a benchmark.

    Args:
        bench: the results.
        path: a .png, .svg or .pdf file.

    Raises:
        SpecError: the file name has another ending.
        MissingDependency: matplotlib is not installed.
        EdgekitError: the file cannot be written.
    """
    figure = new_figure(11, 3.4 + 0.4 * len(bench.subjects))
    latency, shares = figure.subplots(1, 2)
    _draw_latency(latency, bench)
    _draw_operators(shares, bench)
    write_figure(figure, path)


def _draw_latency(axes: Any, bench: BenchResult) -> None:
    """Draw a bar for each median, a line up to the 95th percentile, and both values."""
    results = bench.subjects
    counts = sorted({run.threads for result in results for run in result.network})
    width, top = 0.8 / len(results), _HEADROOM * max(r.latency.p50_ms for result in results for r in result.network)
    bars = []
    for number, result in enumerate(results):
        places = [counts.index(run.threads) + (number + 0.5) * width - 0.4 for run in result.network]
        medians = [run.latency.p50_ms for run in result.network]
        bars.append(axes.bar(places, medians, width * 0.92, color=COLORS[number % len(COLORS)]))
        for place, run in zip(places, result.network, strict=True):
            median, slow = run.latency.p50_ms, run.latency.p95_ms
            axes.vlines(place, median, slow, color="#1d1f23", linewidth=1)
            text = f" {median:.3g}\n (p95 {slow:.3g})"
            axes.text(place, min(slow, top * 0.86), text, fontsize="x-small", va="bottom", clip_on=True)
    names = [f"{count} thread{'s' if count > 1 else ''}" if count else "default threads" for count in counts]
    axes.set_xticks(range(len(counts)), names)
    axes.set(ylabel="network latency, ms", ylim=(0, top))
    style_axes(axes, grid="y")
    labels = [literal(result.subject.name) for result in results]  # given here, legends show names such as _model too
    axes.legend(bars, labels, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)


def _draw_operators(axes: Any, bench: BenchResult) -> None:
    """Draw the time of each model on one thread, divided into operators."""
    results = bench.subjects
    kinds = list(dict.fromkeys(row.kind for result in results for row in result.operators[:_OPERATORS]))
    rows = range(len(results))  # not the names: two files may have the same
    left = [0.0] * len(rows)
    for number, kind in enumerate(kinds):
        shares = [100 * sum(row.share for row in result.operators if row.kind == kind) for result in results]
        color = _OPERATOR_COLORS[number % len(_OPERATOR_COLORS)]
        bars = axes.barh(rows, shares, left=left, label=literal(kind), color=color)
        labels = [f"{literal(kind)} {share:.0f}%" if share >= 100 * _LABELED_SHARE else "" for share in shares]
        axes.bar_label(bars, labels, label_type="center", fontsize="small")
        left = [start + share for start, share in zip(left, shares, strict=True)]
    axes.barh(rows, [max(100 - start, 0) for start in left], left=left, color="#e4e2dd", label="other")
    axes.set_yticks(rows, labels=[literal(result.subject.name) for result in results])
    axes.invert_yaxis()
    axes.set(xlabel="share of the time on one thread, %", xlim=(0, 100))
    style_axes(axes, grid="x")
    axes.legend(fontsize="small", ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
