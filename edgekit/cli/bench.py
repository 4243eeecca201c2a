"""`edgekit bench`: the cost of models on this machine, and how much faster one is than another."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import progress_bar
from edgekit.cli.render import percent, table, write, write_json, write_message
from edgekit.errors import printable

if TYPE_CHECKING:
    from edgekit.bench.result import BenchResult, Speedup, SubjectResult
    from edgekit.bench.subject import Subject

EXAMPLES = """Examples:

edgekit bench model.onnx

edgekit bench model-int8.onnx --against fp32 --plot bench.png

edgekit bench strangers.onnx --against naive --image photo.jpg --json
"""
_OPERATORS_SHOWN = 5


def run(
    models: Annotated[tuple[str, ...], Argument("Model files, names of shipped models, or any .onnx file.")],
    against: Annotated[
        str | None,
        Option("What to compare with: naive, fp32, or another model.", default_text="the first model"),
    ] = None,
    threads: Annotated[str | None, Option("Thread counts, such as 1,2.", default_text="1 to all")] = None,
    image: Annotated[Path | None, Option("Predicted from its file.", default_text="a drawn one")] = None,
    rounds: Annotated[int, Option("Turns of about 0.1 s for each figure.", least=6, most=1000)] = 15,
    plot: Annotated[Path | None, Option("Draw it into this .png, .svg or .pdf.")] = None,
    json: Annotated[bool, Option("One JSON document.")] = False,
) -> None:
    """Measure cold start, latency, throughput, memory and operators, all in turn, so that ratios hold.

    naive is the same file in a plain script: onnxruntime at its defaults. fp32 is the file that an int8 one was made
    from, found beside it. Of a file that edgekit did not make, the network alone is measured.
    """
    from edgekit.bench.measure import measure, steps
    from edgekit.bench.subject import open_subject
    from edgekit.image.load import load_image
    from edgekit.image.synthetic import write_synthetic_photo

    if plot:
        from edgekit.plots.style import check_plot

        check_plot(plot)
    if image:
        load_image(image)  # raises ImageError here, and not in a process that is timed
    counts = _parse_thread_counts(threads)
    subjects, baselines = _with_baselines([open_subject(model) for model in models], against)
    subjects = _with_unique_names(subjects)
    with tempfile.TemporaryDirectory() as folder, progress_bar("measuring", steps(rounds)) as advance:
        photo = image or write_synthetic_photo(Path(folder))
        bench = measure(subjects, baselines, image=photo, threads=counts, rounds=rounds, on_step=advance)
    write_json(bench.to_dict()) if json else _write_bench(bench)
    if plot:
        from edgekit.plots.bench import write_plot

        write_plot(bench, plot)
        write_message(f"wrote {plot}")


def _parse_thread_counts(text: str | None) -> list[int]:
    """The given counts; by default 1, 2, 4, ... and all cores."""
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
    """The subjects behind their baselines, and for each subject's position the position of its baseline."""
    from edgekit.bench.subject import open_naive, open_parent, open_subject

    if against is None:
        return subjects, dict.fromkeys(range(1, len(subjects)), 0)
    if against == "naive":
        baselines = [open_naive(subject) for subject in subjects]
    elif against == "fp32":
        baselines = [open_parent(subject) for subject in subjects]
    else:
        baselines = [open_subject(against)] * len(subjects)
    distinct = {(baseline.path, baseline.style): baseline for baseline in baselines}
    positions = {key: position for position, key in enumerate(distinct)}
    pairs = {
        len(distinct) + number: positions[baseline.path, baseline.style] for number, baseline in enumerate(baselines)
    }
    return [*distinct.values(), *subjects], pairs


def _with_unique_names(subjects: list[Subject]) -> list[Subject]:
    """Subjects that share a name are named by their paths."""
    from dataclasses import replace

    names = [subject.name for subject in subjects]
    return [s if names.count(s.name) == 1 else replace(s, name=f"{s.path} ({s.style})") for s in subjects]


def _write_bench(bench: BenchResult) -> None:
    from edgekit.runtime.cpu import machine

    facts = machine()
    write(
        printable(
            f"{facts['processor']}, {facts['cores']} cores, {', '.join(facts['int8_features']) or 'no int8 help'}"
        )
    )
    rates = [f"{kind} {rate / 1e9:.1f} on {count}" for (kind, count), rate in bench.peaks.items()]
    write(f"peak, billion MACs a second, by threads: {', '.join(rates)}")
    write("")
    header = ("model", "precision", "MB", "MACs, M", "cold start, ms", "session, ms", "peak MB", "file to label, ms")
    write(table((*header, "images/s"), map(_cost_row, bench.subjects)))
    write("")
    latency_header = ("network alone", "threads", "p50, ms", "p95", "p99", "share of peak")
    write(table(latency_header, [row for result in bench.subjects for row in _latency_rows(result)]))
    if bench.speedups:
        write("")
        write(table(("model", "against", "what", "times as fast", "interval", ""), map(_speedup_row, bench.speedups)))
    write("")
    for result in bench.subjects:
        shares = ", ".join(
            f"{row.kind} x{row.nodes} {percent(row.share)}" for row in result.operators[:_OPERATORS_SHOWN]
        )
        write(printable(f"operators of {result.subject.name} (1 thread): {shares}"))
    if bench.is_noisy:
        write_message(
            f"this machine was busy: the same work differed by {percent(bench.noise)} between rounds; trust ratios only"
        )


def _cost_row(result: SubjectResult) -> Sequence[str]:
    return (
        result.subject.name,
        result.subject.precision,
        f"{result.size_bytes / 1e6:.2f}",
        f"{result.macs / 1e6:.1f}",
        f"{result.cold_start_ms:.0f}",
        f"{result.session_ms:.1f}",
        f"{result.peak_memory_bytes / 1e6:.0f}",
        f"{result.file_to_label.p50_ms:.2f}" if result.file_to_label else "-",
        f"{result.images_per_s:.0f}",
    )


def _latency_rows(result: SubjectResult) -> list[Sequence[str]]:
    return [
        (
            result.subject.name,
            str(run.threads) if run.threads else "default",
            *(f"{ms:.3f}" for ms in (run.latency.p50_ms, run.latency.p95_ms, run.latency.p99_ms)),
            percent(run.peak_share),
        )
        for run in result.network
    ]


def _speedup_row(speedup: Speedup) -> Sequence[str]:
    times = speedup.times
    interval = f"{times.low:.2f} to {times.high:.2f}"
    return speedup.other, speedup.baseline, speedup.what, f"{times.value:.2f}", interval, speedup.verdict
