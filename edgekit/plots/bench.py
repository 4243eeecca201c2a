"""A bench as a picture. Needs matplotlib, the `report` extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.bench.result import Bench
from edgekit.plots.style import COLORS, bare, new_figure, plain, write_figure

_OPERATORS = 4
_NAMED = 0.09  # share from which an operator's name fits into its part of the bar
_ROOM = 1.6  # of the tallest median: what of a longer p95 line does not fit is cut off, for its figure is written
# Other colors than the models' own.
_KINDS = ("#5b7f95", "#a9c1c9", "#c9a66b", "#e5d3b3", "#8a9a5b", "#c3cba3", "#9b7e9f", "#d3bfd6")


def write_plot(bench: Bench, path: Path) -> None:
    """Latency by threads, and where the time goes. Raises as write_figure."""
    figure = new_figure(11, 3.4 + 0.4 * len(bench.measured))
    latency, shares = figure.subplots(1, 2)
    _draw_latency(latency, bench)
    _draw_operators(shares, bench)
    write_figure(figure, path)


def _draw_latency(axes: Any, bench: Bench) -> None:
    """A bar for the median, a line up to the slowest of 20, and both as figures."""
    lanes = sorted({run.threads for one in bench.measured for run in one.runs})
    width, top = 0.8 / len(bench.measured), _ROOM * max(r.latency.p50_ms for one in bench.measured for r in one.runs)
    for number, one in enumerate(bench.measured):
        places = [lanes.index(run.threads) + (number + 0.5) * width - 0.4 for run in one.runs]
        color = COLORS[number % len(COLORS)]
        axes.bar(places, [r.latency.p50_ms for r in one.runs], width * 0.92, color=color, label=plain(one.subject.name))
        for place, run in zip(places, one.runs, strict=True):
            median, slow = run.latency.p50_ms, run.latency.p95_ms
            axes.vlines(place, median, slow, color="#1d1f23", linewidth=1)
            said = f" {median:.3g}\n (p95 {slow:.3g})"
            axes.text(place, min(slow, top * 0.86), said, fontsize="x-small", va="bottom", clip_on=True)
    names = [f"{count} thread{'s' if count > 1 else ''}" if count else "default threads" for count in lanes]
    axes.set_xticks(range(len(lanes)), names)
    axes.set(ylabel="network alone, ms", ylim=(0, top))
    bare(axes, grid="y")
    axes.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)


def _draw_operators(axes: Any, bench: Bench) -> None:
    """Of each model its time on one thread, cut into operators."""
    kinds = list(dict.fromkeys(row.kind for one in bench.measured for row in one.operators[:_OPERATORS]))
    names = [plain(one.subject.name) for one in bench.measured]
    left = [0.0] * len(names)
    for number, kind in enumerate(kinds):
        shares = [100 * sum(row.share for row in one.operators if row.kind == kind) for one in bench.measured]
        bars = axes.barh(names, shares, left=left, label=plain(kind), color=_KINDS[number % len(_KINDS)])
        said = [f"{plain(kind)} {share:.0f}%" if share >= 100 * _NAMED else "" for share in shares]
        axes.bar_label(bars, said, label_type="center", fontsize="small")
        left = [start + share for start, share in zip(left, shares, strict=True)]
    axes.barh(names, [max(100 - start, 0) for start in left], left=left, color="#e4e2dd", label="others")
    axes.invert_yaxis()
    axes.set(xlabel="share of the time in operators, one thread, %", xlim=(0, 100))
    bare(axes, grid="x")
    axes.legend(fontsize="small", ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
