"""A bench as a picture. Needs matplotlib, the `report` extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.evaluate.bench.result import Bench
from edgekit.evaluate.plots import new_figure, plain, write_figure

_OPERATORS = 4


def write_plot(bench: Bench, path: Path) -> None:
    """Latency by threads, and where the time goes. Raises as write_figure."""
    figure = new_figure(11, 4.2)
    latency, shares = figure.subplots(1, 2)
    _draw_latency(latency, bench)
    _draw_operators(shares, bench)
    write_figure(figure, path)


def _draw_latency(axes: Any, bench: Bench) -> None:
    """A bar for the median, a line up to the slowest of 20."""
    lanes = sorted({run.threads for one in bench.measured for run in one.runs})
    width = 0.8 / len(bench.measured)
    for number, one in enumerate(bench.measured):
        places = [lanes.index(run.threads) + (number + 0.5) * width - 0.4 for run in one.runs]
        medians = [run.latency.p50_ms for run in one.runs]
        above = [run.latency.p95_ms - run.latency.p50_ms for run in one.runs]
        spread = ([0.0] * len(above), above)
        axes.bar(places, medians, width * 0.92, yerr=spread, capsize=3, label=plain(one.subject.name))
    names = [f"{count} thread{'s' if count > 1 else ''}" if count else "default threads" for count in lanes]
    axes.set_xticks(range(len(lanes)), names)
    axes.set(ylabel="network alone, ms (line: p95)", ylim=(0, None))
    axes.legend(fontsize="small")


def _draw_operators(axes: Any, bench: Bench) -> None:
    """Of each model its time on one thread, cut into operators."""
    kinds = list(dict.fromkeys(row.kind for one in bench.measured for row in one.operators[:_OPERATORS]))
    names = [plain(one.subject.name) for one in bench.measured]
    left = [0.0] * len(names)
    for kind in kinds:
        shares = [100 * sum(row.share for row in one.operators if row.kind == kind) for one in bench.measured]
        axes.barh(names, shares, left=left, label=plain(kind))
        left = [start + share for start, share in zip(left, shares, strict=True)]
    axes.barh(names, [max(100 - start, 0) for start in left], left=left, color="lightgray", label="others")
    axes.invert_yaxis()
    axes.set(xlabel="share of the time in operators, %", xlim=(0, 100))
    axes.legend(fontsize="small", ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
