"""`edgekit bench`: what models cost on this machine, and how many times as fast one is as another."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.progress import progress_bar
from edgekit.cli.render import percent, printable, say, table, write, write_json

if TYPE_CHECKING:
    from edgekit.bench.result import Bench, Measured, Speedup
    from edgekit.bench.subject import Subject

EXAMPLES = """Examples:

edgekit bench model.onnx

edgekit bench model-int8.onnx --against fp32 --plot bench.png

edgekit bench strangers.onnx --against naive --picture photo.jpg --json
"""
_OPERATORS_SHOWN = 5


def run(
    models: Annotated[
        list[str], typer.Argument(help="Model files, names of shipped models, or any .onnx file.", show_default=False)
    ],
    against: Annotated[
        str | None,
        typer.Option(help="What to compare with: naive, fp32, or another model.", show_default="the first model"),
    ] = None,
    threads: Annotated[str | None, typer.Option(help="Thread counts, such as 1,2.", show_default="1 to all")] = None,
    picture: Annotated[Path | None, typer.Option(help="Predicted from its file.", show_default="a drawn one")] = None,
    rounds: Annotated[int, typer.Option(min=6, max=1000, help="Turns of about 0.1 s for each figure.")] = 15,
    plot: Annotated[Path | None, typer.Option(help="Draw it into this .png, .svg or .pdf.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Measure cold start, latency, throughput, memory and operators, all in turn, so that ratios hold.

    naive is the same file in a plain script: onnxruntime at its defaults. fp32 is the file that an int8 one was made
    from, found beside it. Of a file that edgekit did not make, the network alone is measured.
    """
    from edgekit.bench.measure import measure, steps
    from edgekit.bench.subject import open_subject
    from edgekit.image.load import load_image
    from edgekit.image.synthetic import write_drawn

    if plot:
        from edgekit.plots.style import check_plot

        check_plot(plot)
    if picture:
        load_image(picture)  # raises ImageError here, and not in a process that is timed
    counts = _thread_counts(threads)
    subjects, baselines = _with_baselines([open_subject(model) for model in models], against)
    subjects = _told_apart(subjects)
    with tempfile.TemporaryDirectory() as folder, progress_bar("measuring", steps(rounds)) as advance:
        shown = picture or write_drawn(Path(folder))
        bench = measure(subjects, baselines, picture=shown, threads=counts, rounds=rounds, on_step=advance)
    write_json(bench.to_dict()) if json else _show(bench)
    if plot:
        from edgekit.plots.bench import write_plot

        write_plot(bench, plot)
        say(f"wrote {plot}")


def _thread_counts(text: str | None) -> list[int]:
    """1, 2, 4, ... and all cores; or what was asked for."""
    from edgekit.errors import SpecError
    from edgekit.runtime.cpu import available_threads

    cores = available_threads()
    if text is None:
        return sorted({2**power for power in range(cores.bit_length()) if 2**power <= cores} | {cores})
    parts = text.split(",")
    if not all(part.strip().isdecimal() and 1 <= int(part) <= 256 for part in parts):
        raise SpecError(f"--threads {text!r}: write whole numbers from 1 to 256, such as 1,2")
    return sorted({int(part) for part in parts})


def _with_baselines(subjects: list[Subject], against: str | None) -> tuple[list[Subject], dict[int, int]]:
    """The subjects with their baselines in front, and who is compared with whom."""
    from edgekit.bench.subject import as_naive, open_subject, parent_of

    if against is None:
        return subjects, dict.fromkeys(range(1, len(subjects)), 0)
    if against == "naive":
        found = [as_naive(subject) for subject in subjects]
    elif against == "fp32":
        found = [parent_of(subject) for subject in subjects]
    else:
        found = [open_subject(against)]
    fronts = list({(base.path, base.style): base for base in found}.values())
    places = {(base.path, base.style): number for number, base in enumerate(fronts)}
    of_each = [places[base.path, base.style] for base in found] * (len(subjects) if len(found) == 1 else 1)
    pairs = {len(fronts) + number: base for number, base in enumerate(of_each[: len(subjects)])}
    return fronts + subjects, pairs


def _told_apart(subjects: list[Subject]) -> list[Subject]:
    """Files of one name go by their paths."""
    from dataclasses import replace

    names = [subject.name for subject in subjects]
    return [s if names.count(s.name) == 1 else replace(s, name=f"{s.path} ({s.style})") for s in subjects]


def _show(bench: Bench) -> None:
    from edgekit.runtime.cpu import machine

    here = machine()
    write(
        printable(f"{here['processor']}, {here['cores']} cores, {', '.join(here['int8_features']) or 'no int8 help'}")
    )
    rates = [f"{kind} {rate / 1e9:.1f} on {count}" for (kind, count), rate in bench.peaks.items()]
    write(f"peak, billion MACs a second, by threads: {', '.join(rates)}")
    write("")
    header = ("model", "precision", "MB", "MACs, M", "cold start, ms", "session, ms", "peak MB", "file to label, ms")
    write(table((*header, "pictures/s"), map(_row, bench.measured)))
    write("")
    lanes = ("network alone", "threads", "p50, ms", "p95", "p99", "share of peak")
    write(table(lanes, [row for one in bench.measured for row in _latency_rows(one)]))
    if bench.speedups:
        write("")
        write(table(("model", "against", "what", "times as fast", "interval", ""), map(_speedup_row, bench.speedups)))
    write("")
    for one in bench.measured:
        shares = ", ".join(f"{row.kind} x{row.nodes} {percent(row.share)}" for row in one.operators[:_OPERATORS_SHOWN])
        write(printable(f"operators of {one.subject.name} (1 thread): {shares}"))
    if bench.is_noisy:
        say(
            f"this machine was busy: the same work differed by {percent(bench.noise)} between rounds; trust ratios only"
        )


def _row(one: Measured) -> Sequence[str]:
    return (
        one.subject.name,
        one.subject.precision,
        f"{one.size_bytes / 1e6:.2f}",
        f"{one.macs / 1e6:.1f}",
        f"{one.cold_start_ms:.0f}",
        f"{one.session_ms:.1f}",
        f"{one.peak_memory_bytes / 1e6:.0f}",
        f"{one.whole.p50_ms:.2f}" if one.whole else "-",
        f"{one.pictures_per_s:.0f}",
    )


def _latency_rows(one: Measured) -> list[Sequence[str]]:
    return [
        (
            one.subject.name,
            str(run.threads) if run.threads else "default",
            *(f"{ms:.3f}" for ms in (run.latency.p50_ms, run.latency.p95_ms, run.latency.p99_ms)),
            percent(run.peak_share),
        )
        for run in one.runs
    ]


def _speedup_row(one: Speedup) -> Sequence[str]:
    times = one.times
    interval = f"{times.low:.2f} to {times.high:.2f}"
    return one.other, one.baseline, one.what, f"{times.value:.2f}", interval, one.verdict
