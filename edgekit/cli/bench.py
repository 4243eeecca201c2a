"""`edgekit bench`: latency, memory and other costs of models on this machine, and speedups between them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgekit.cli import shared_options as shared
from edgekit.cli.layout import paragraph
from edgekit.cli.named_models import build_models
from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import progress_bar
from edgekit.cli.render import percent, write, write_json, write_message
from edgekit.cli.tables import table
from edgekit.cli.wrong_files import check_model_files
from edgekit.errors import printable, quote

if TYPE_CHECKING:
    from edgekit.bench.result import BenchResult, Speedup, SubjectResult
    from edgekit.bench.subject import Subject

EXAMPLES = """Examples:
  edgekit bench model.onnx
  edgekit bench model-int8.onnx --against fp32 --plot bench.png
  edgekit bench third-party.onnx --against naive --image photo.jpg --json
  edgekit bench --device device.json model.onnx model-int8.onnx
"""
_OPERATORS_SHOWN = 5


def run(
    models: Annotated[
        tuple[str, ...],
        Argument(
            "Model files (.onnx, third-party ones too) or names of built-in models.",
            metavar="MODEL...",
            default_text="with --device those of the device, which are not measured here",
        ),
    ] = (),
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
    device: Annotated[
        Path | None,
        Option("Show what bench.pyz or bench.html measured on another device.", metavar="FILE", default_text="none"),
    ] = None,
    plot: Annotated[Path | None, shared.PLOT] = None,
    json: Annotated[bool, Option("Print one JSON document.")] = False,
) -> None:
    """Benchmark the latency, throughput, memory and cold start of models.

    Measurements are interleaved, so that comparisons are fair on a busy machine. For other ONNX files, only network
    latency is measured. --against naive compares with the same file in a plain onnxruntime script; --against fp32
    compares an int8 model with the float32 file beside it that it was made from.

    --device shows what a device measured beside this machine: `edgekit bundle MODEL... --for python --bench` makes the
    kit that measures there.
    """
    if plot:
        from edgekit.plots.style import check_plot

        check_plot(plot)
    if image:
        from edgekit.image.load import load_image

        load_image(image)  # raises ImageError here instead of in a timed process
    if not models and not device:
        from edgekit.errors import SpecError

        raise SpecError("name a model to measure, or --device FILE to show what another device measured")
    check_model_files(*models, against or "")
    build_models(*models, against or "")
    counts = _parse_thread_counts(threads)
    if device:
        _refuse_with_device(against, plot)
        _show_device(device, models, threads=counts if threads else None, image=image, rounds=rounds, json=json)
        return
    bench = _measure(models, against, image=image, threads=counts, rounds=rounds)
    write_json(bench.to_dict()) if json else _write_bench(bench)
    if plot:
        from edgekit.plots.bench import write_plot

        write_plot(bench, plot)
        write_message(f"wrote {plot}")


def _measure(
    models: Sequence[str], against: str | None, *, image: Path | None, threads: Sequence[int], rounds: int
) -> BenchResult:
    from edgekit.bench.measure import measure, steps
    from edgekit.bench.subject import open_subject
    from edgekit.image.synthetic import write_synthetic_photo

    subjects, baselines = _with_baselines([open_subject(model) for model in models], against)
    subjects = _with_unique_names(subjects)
    with tempfile.TemporaryDirectory() as folder, progress_bar("measuring", steps(rounds)) as advance:
        photo = image or write_synthetic_photo(Path(folder))
        return measure(subjects, baselines, image=photo, threads=threads, rounds=rounds, on_step=advance)


def _refuse_with_device(against: str | None, plot: Path | None) -> None:
    from edgekit.errors import SpecError

    for flag, value in (("--against", against), ("--plot", plot)):
        if value is not None:
            raise SpecError(f"{flag} is not for --device, which compares with the first model; leave it out")


def _show_device(
    path: Path, models: Sequence[str], *, threads: Sequence[int] | None, image: Path | None, rounds: int, json: bool
) -> None:
    """Measure here those models that can be, and print what the device measured beside it."""
    from edgekit.bench.device import read_device
    from edgekit.cli.bench_device import choose_models, device_document, timed_here, write_device
    from edgekit.runtime.cpu import available_threads

    device = read_device(path)
    chosen = choose_models(device, models, name=str(path))
    counts = threads or [count for count in device.thread_counts if count <= available_threads()] or [1]
    timed = timed_here(models)
    here = _measure(timed, None, image=image, threads=counts, rounds=rounds) if timed else None
    write_json(device_document(device, chosen, here)) if json else write_device(device, chosen, here)


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
    features = ", ".join(facts["int8_features"]) or "no known int8 instructions"
    write(paragraph(printable(f"{facts['processor']}, {facts['cores']} cores, {features}")))
    rates = [f"{kind} {rate / 1e9:.1f} (threads: {count})" for (kind, count), rate in bench.peaks.items()]
    write(paragraph(f"peak performance in billion MACs per second: {', '.join(rates)}"))
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
        write(paragraph(printable(f"operators of {result.subject.name} (1 thread): {shares}"), indent="  "))
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
