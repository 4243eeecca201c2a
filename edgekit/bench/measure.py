"""A benchmark of several subjects in turn: network latency, file to label, cold start, and the machine's peak."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgekit.bench import roofline
from edgekit.bench.cold_start import COLD_ROUNDS, measure_cold_starts
from edgekit.bench.operators import count_macs, operator_shares
from edgekit.bench.result import BenchResult, Latency, NetworkLatency, Speedup, SubjectResult
from edgekit.bench.subject import Subject
from edgekit.evaluate.timing import Seconds, speedup, time_in_turn
from edgekit.runtime.cpu import available_threads

_SESSION_ROUNDS = 7
_MACHINE = -1  # in place of a subject's position
# Threads of a plain script: onnxruntime's default, as many as the machine has cores.
DEFAULT_THREADS = 0


class Workload(NamedTuple):
    """Something that is timed.

    Attributes:
        position: index of its subject; -1 for the machine itself.
        what: what is run, such as "network" or "file to label".
        threads: intra-op threads; 0 for onnxruntime's default.
    """

    position: int
    what: str
    threads: int = DEFAULT_THREADS


Timings = Mapping[Workload, Seconds]


def measure(
    subjects: Sequence[Subject],
    baselines: Mapping[int, int],
    *,
    image: Path,
    threads: Sequence[int],
    rounds: int = 15,
    on_step: Callable[[], None] = lambda: None,
) -> BenchResult:
    """Measure all subjects in turn, so that their ratios are fair on a busy machine.

    Args:
        subjects: what to measure.
        baselines: for each subject that is compared, by its index, the index of its baseline.
        image: the image file to predict.
        threads: numbers of intra-op threads to measure network latency with.
        rounds: number of rounds, of about 0.1 s for each figure.
        on_step: called `steps(rounds)` times.

    Raises:
        EdgekitError: a process that predicts once failed.

    Example:
        >>> from pathlib import Path
        >>> from edgekit.bench.measure import measure
        >>> from edgekit.bench.subject import open_subject
        >>> subjects = [open_subject("lenet5-mnist"), open_subject("lenet5-mnist-int8")]
        >>> bench = measure(subjects, {1: 0}, image=Path("digit.png"), threads=[1])  # doctest: +SKIP
        >>> bench.speedups[0].times.value  # doctest: +SKIP
        1.02
    """
    cold_seconds, peak_bytes = measure_cold_starts(subjects, image, on_step)
    openers = [subject.session_opener() for subject in subjects]
    session_seconds = time_in_turn(openers, rounds=_SESSION_ROUNDS, round_s=0.05, on_round=on_step)
    workloads = _workloads(subjects, image, threads)
    seconds = time_in_turn(list(workloads.values()), rounds=rounds, on_round=on_step)
    timings = dict(zip(workloads, seconds, strict=True))
    for position in range(len(subjects)):
        timings[Workload(position, "cold start")] = cold_seconds[position]
        timings[Workload(position, "session")] = session_seconds[position]
    peaks = _peaks(timings)
    return BenchResult(
        subjects=tuple(
            _subject_result(subject, position, timings, peaks=peaks, peak_bytes=peak_bytes[position], threads=threads)
            for position, subject in enumerate(subjects)
        ),
        speedups=tuple(_speedups(subjects, baselines, timings, threads)),
        peaks=peaks,
        noise=noise(timings),
    )


def steps(rounds: int = 15) -> int:
    """The number of steps that `measure` reports."""
    return COLD_ROUNDS + _SESSION_ROUNDS + rounds


def _workloads(
    subjects: Sequence[Subject], image: Path, threads: Sequence[int]
) -> dict[Workload, Callable[[], object]]:
    workloads: dict[Workload, Callable[[], object]] = {}
    for position, subject in enumerate(subjects):
        for count in _thread_counts(subject, threads):
            workloads[Workload(position, "network", count)] = subject.network(threads=count or None)
        single = Workload(position, "network", DEFAULT_THREADS if subject.style == "naive" else 1)
        file_to_label = subject.file_to_label(image)
        if file_to_label:
            workloads[Workload(position, "file to label")] = file_to_label
        run = workloads.get(single) or subject.network(threads=1)
        workloads[Workload(position, "throughput")] = _on_all_cores(subject, run)
    for count in sorted({*threads, available_threads()}):
        workloads[Workload(_MACHINE, "float32", count)] = roofline.matrix_product(int8=False, threads=count)
        workloads[Workload(_MACHINE, "int8", count)] = roofline.matrix_product(int8=True, threads=count)
    return workloads


def _thread_counts(subject: Subject, threads: Sequence[int]) -> Sequence[int]:
    return (DEFAULT_THREADS,) if subject.style == "naive" else threads


def _on_all_cores(subject: Subject, run: Callable[[], object]) -> Callable[[], object]:
    """A function that runs one image per core, in parallel; a plain script runs them one after the other."""
    cores = available_threads()
    if subject.style == "naive":
        return lambda: [run() for _ in range(cores)]
    pool = ThreadPoolExecutor(cores)
    return lambda: list(pool.map(lambda _: run(), range(cores)))


def _subject_result(
    subject: Subject,
    position: int,
    timings: Timings,
    *,
    peaks: Mapping[tuple[str, int], float],
    peak_bytes: int,
    threads: Sequence[int],
) -> SubjectResult:
    macs, precision = count_macs(subject), "int8" if subject.precision == "int8" else "float32"
    network = []
    for count in _thread_counts(subject, threads):
        latency = _latency(timings[Workload(position, "network", count)])
        peak = peaks[precision, count or available_threads()]
        peak_share = macs / (latency.p50_ms / 1e3) / peak if macs else None
        network.append(NetworkLatency(threads=count, latency=latency, peak_share=peak_share))
    file_to_label = timings.get(Workload(position, "file to label"))
    medians = {
        what: float(np.median(timings[Workload(position, what)])) for what in ("cold start", "session", "throughput")
    }
    return SubjectResult(
        subject=subject,
        size_bytes=len(subject.model),
        macs=macs,
        cold_start_ms=medians["cold start"] * 1e3,
        session_ms=medians["session"] * 1e3,
        peak_memory_bytes=peak_bytes,
        images_per_s=available_threads() / medians["throughput"],
        network=tuple(network),
        file_to_label=None if file_to_label is None else _latency(file_to_label),
        operators=operator_shares(subject),
    )


def _latency(seconds: Seconds) -> Latency:
    p50, p95, p99 = (float(value) * 1e3 for value in np.percentile(seconds, (50, 95, 99)))
    return Latency(p50_ms=p50, p95_ms=p95, p99_ms=p99)


def _speedups(
    subjects: Sequence[Subject], baselines: Mapping[int, int], timings: Timings, threads: Sequence[int]
) -> list[Speedup]:
    speedups = []
    for other, base in baselines.items():
        pairs = {what: (Workload(base, what), Workload(other, what)) for what in ("cold start", "session")}
        for count in threads:
            base_threads = DEFAULT_THREADS if subjects[base].style == "naive" else count
            network = Workload(base, "network", base_threads), Workload(other, "network", count)
            pairs[f"network, {count} thread{'s' if count > 1 else ''}"] = network
        for what in ("file to label", "throughput"):
            if Workload(base, what) in timings and Workload(other, what) in timings:
                pairs[what] = Workload(base, what), Workload(other, what)
        for what, (first, second) in pairs.items():
            times = speedup(timings[first], timings[second])
            speedups.append(Speedup(baseline=subjects[base].name, other=subjects[other].name, what=what, times=times))
    return speedups


def _peaks(timings: Timings) -> dict[tuple[str, int], float]:
    """Multiply-accumulates per second of the fastest call, which other processes disturbed least."""
    return {
        (precision, threads): roofline.MACS / float(seconds.min())
        for (position, precision, threads), seconds in timings.items()
        if position == _MACHINE
    }


def noise(timings: Timings) -> float:
    """How much the time of the same matrix product varied between rounds: (90th - 10th percentile) / median.

    The largest variation over float32 and int8, one thread and all threads counts, because a neighbor that uses one
    core disturbs some of these more than others.

    Args:
        timings: all timings; only those of the machine itself matter.
    """
    products = [seconds for (position, _, _), seconds in timings.items() if position == _MACHINE]
    percentiles = [np.percentile(np.median(seconds, axis=1), (10, 50, 90)) for seconds in products]
    return max(float((high - low) / middle) for low, middle, high in percentiles)
