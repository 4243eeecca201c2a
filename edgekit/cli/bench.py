"""`edgekit bench`: latency, memory and other costs of models on this machine, and speedups between them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgekit.cli import shared_options as shared
from edgekit.cli.named_models import build_models
from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import progress_bar
from edgekit.cli.render import percent, table, write, write_json, write_message
from edgekit.cli.wrong_files import check_model_files
from edgekit.errors import printable, quote

if TYPE_CHECKING:
    from edgekit.bench.result import BenchResult, Speedup, SubjectResult
    from edgekit.bench.subject import Subject

EXAMPLES = """Examples:
  edgekit bench model.onnx
  edgekit bench model-int8.onnx --against fp32 --plot bench.png
  edgekit bench third-party.onnx --against naive --image photo.jpg --json
"""
_OPERATORS_SHOWN = 5


def run(
    models: Annotated[
        tuple[str, ...],
        Argument("Model files (.onnx, third-party ones too) or names of built-in models.", metavar="MODEL..."),
    ],
    against: Annotated[
        str | None,
        Option("Baseline of the speedups: naive, fp32 or a model.", metavar="MODEL", default_text="the first model"),
    ] = None,
    threads: Annotated[
        str | None,
        Option("Comma-separated thread counts, e.g. 1,2.", metavar="N,...", default_text="1, 2, 4, ... all cores"),
    ] = None,
    image: Annotated[
        Path | None, Option("Image to predict from its file.", default_text="a synthetic photo", metavar="IMAGE")
    ] = None,
    rounds: Annotated[int, Option("Rounds of about 0.1 s per figure, from 6 to 1000.", least=6, most=1000)] = 15,
    plot: Annotated[Path | None, shared.PLOT] = None,
    json: Annotated[bool, Option("Print one JSON document.")] = False,
) -> None:
    """Benchmark the latency, throughput, memory and cold start of models.

    Measurements are interleaved, so that comparisons are fair on a busy machine. For other ONNX files, only network
    latency is measured. --against naive compares with the same file in a plain onnxruntime script; --against fp32
    compares an int8 model with the float32 file beside it that it was made from.
    """
    from edgekit.bench.measure import measure, steps
    from edgekit.bench.subject import open_subject
    from edgekit.image.load import load_image
    from edgekit.image.synthetic import write_synthetic_photo

    if plot:
        from edgekit.plots.style import check_plot

        check_plot(plot)
    if image:
        load_image(image)  # raises ImageError here instead of in a timed process
    check_model_files(*models, against or "")
    build_models(*models, against or "")
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
    """Return the thread counts of the list; by default 1, 2, 4, ... and all cores."""
    from edgekit.errors import SpecError
    from edgekit.runtime.cpu import available_threads

    cores = available_threads()
    if text is None:
        return sorted({2**power for power in range(cores.bit_length()) if 2**power <= cores} | {cores})
    parts = text.split(",")
    if not all(part.strip().isdecimal() and 1 <= int(part) <= 256 for part in parts):
        raise SpecError(f"--threads must be integers from 1 to 256, e.g. 1,2 (got {quote(text)})")
    return sorted({int(part) for part in parts})


def _with_baselines(subjects: list[Subject], against: str | None) -> tuple[list[Subject], dict[int, int]]:
    """Return baselines followed by subjects, and the position of the baseline by the position of each subject."""
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
    """Rename subjects that share a name to their paths."""
    from dataclasses import replace

    names = [subject.name for subject in subjects]
    return [s if names.count(s.name) == 1 else replace(s, name=f"{s.path} ({s.style})") for s in subjects]


def _write_bench(bench: BenchResult) -> None:
    from edgekit.runtime.cpu import machine

    facts = machine()
    write(
        printable(
            f"{facts['processor']}, {facts['cores']} cores, "
            f"{', '.join(facts['int8_features']) or 'no known int8 instructions'}"
        )
    )
    rates = [f"{kind} {rate / 1e9:.1f} (threads: {count})" for (kind, count), rate in bench.peaks.items()]
    write(f"peak performance in billion MACs per second: {', '.join(rates)}")
    write("")
    header = (
        "model",
        "precision",
        "MB",
        "MACs (M)",
        "cold start (ms)",
        "session (ms)",
        "peak MB",
        "file to label (ms)",
    )
    write(table((*header, "images/s"), map(_cost_row, bench.subjects)))
    write("")
    latency_header = ("network only", "threads", "p50 (ms)", "p95", "p99", "share of peak")
    write(table(latency_header, [row for result in bench.subjects for row in _latency_rows(result)]))
    if bench.speedups:
        write("")
        write(table(("model", "baseline", "measure", "speedup", "interval", ""), map(_speedup_row, bench.speedups)))
    write("")
    for result in bench.subjects:
        shares = ", ".join(
            f"{row.kind} x{row.nodes} {percent(row.share)}" for row in result.operators[:_OPERATORS_SHOWN]
        )
        write(printable(f"operators of {result.subject.name} (1 thread): {shares}"))
    if bench.is_noisy:
        write_message(
            f"note: the machine was busy (identical work varied by {percent(bench.noise)}); trust only the speedups"
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
