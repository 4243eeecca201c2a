"""All subjects measured in turn: the network alone, from file to label, whole processes, the machine's own peak."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from edgekit.bench import operators as profile
from edgekit.bench import roofline
from edgekit.bench.cold_start import COLD_ROUNDS, cold_starts
from edgekit.bench.result import Bench, Latency, Measured, Run, Speedup
from edgekit.bench.subject import Subject
from edgekit.evaluate.timing import Seconds, in_turn, ratio
from edgekit.runtime.cpu import available_threads

_SESSION_ROUNDS = 7
# What `naive` is run with: onnxruntime's default, as many threads as the machine has cores.
DEFAULT_THREADS = 0


def measure(
    subjects: Sequence[Subject],
    baselines: Mapping[int, int],
    *,
    picture: Path,
    threads: Sequence[int],
    rounds: int = 15,
    on_step: Callable[[], None] = lambda: None,
) -> Bench:
    """Measure all subjects in turn.

    baselines: the position of the baseline, for each subject that is compared. on_step is called `steps(rounds)` times.
    """
    cold, memory = cold_starts(subjects, picture, on_step)
    sessions = in_turn([s.opening() for s in subjects], rounds=_SESSION_ROUNDS, round_s=0.05, on_round=on_step)
    lanes = _lanes(subjects, picture, threads)
    taken = dict(zip(lanes, in_turn(list(lanes.values()), rounds=rounds, on_round=on_step), strict=True))
    counts = [profile.macs(subject) for subject in subjects]
    peaks = _peaks(taken)
    measured = tuple(
        Measured(
            subject=subject,
            size_bytes=len(subject.model),
            macs=counts[number],
            cold_start_ms=float(np.median(cold[number])) * 1e3,
            session_ms=float(np.median(sessions[number])) * 1e3,
            peak_memory_bytes=memory[number],
            pictures_per_s=available_threads() / float(np.median(taken[number, "throughput", 0])),
            runs=tuple(_run(taken, peaks, number, subject, counts[number], n) for n in _threads_of(subject, threads)),
            whole=_latency(taken[number, "whole", 0]) if (number, "whole", 0) in taken else None,
            operators=profile.operators(subject),
        )
        for number, subject in enumerate(subjects)
    )
    return Bench(
        measured=measured,
        speedups=tuple(_speedups(subjects, baselines, taken, cold, sessions, threads)),
        peaks=peaks,
        noise=noise(taken),
    )


def steps(rounds: int = 15) -> int:
    """How many steps `measure` reports."""
    return COLD_ROUNDS + _SESSION_ROUNDS + rounds


_Lane = tuple[int, str, int]  # subject (-1: the machine), what, threads
_Lanes = dict[_Lane, Callable[[], object]]
_MACHINE = -1


def _lanes(subjects: Sequence[Subject], picture: Path, threads: Sequence[int]) -> _Lanes:
    lanes: _Lanes = {}
    for number, subject in enumerate(subjects):
        for count in _threads_of(subject, threads):
            lanes[number, "network", count] = subject.network(threads=count or None)
        single = lanes.get((number, "network", DEFAULT_THREADS if subject.style == "naive" else 1))
        whole = subject.whole(picture)
        if whole:
            lanes[number, "whole", 0] = whole
        lanes[number, "throughput", 0] = _all_cores(subject, single or subject.network(threads=1))
    for count in sorted({*threads, available_threads()}):
        lanes[_MACHINE, "float32", count] = roofline.product(int8=False, threads=count)
        lanes[_MACHINE, "int8", count] = roofline.product(int8=True, threads=count)
    return lanes


def _threads_of(subject: Subject, threads: Sequence[int]) -> Sequence[int]:
    return (DEFAULT_THREADS,) if subject.style == "naive" else threads


def _all_cores(subject: Subject, run: Callable[[], object]) -> Callable[[], object]:
    """One picture for each core at the same time; a plain script runs them one after the other."""
    cores = available_threads()
    if subject.style == "naive":
        return lambda: [run() for _ in range(cores)]
    pool = ThreadPoolExecutor(cores)
    return lambda: list(pool.map(lambda _: run(), range(cores)))


def _run(
    taken: Mapping[_Lane, Seconds],
    peaks: Mapping[tuple[str, int], float],
    number: int,
    subject: Subject,
    macs: int,
    threads: int,
) -> Run:
    latency = _latency(taken[number, "network", threads])
    peak = peaks["int8" if subject.precision == "int8" else "float32", threads or available_threads()]
    return Run(threads=threads, latency=latency, peak_share=macs / (latency.p50_ms / 1e3) / peak if macs else None)


def _latency(seconds: Seconds) -> Latency:
    p50, p95, p99 = (float(value) * 1e3 for value in np.percentile(seconds, (50, 95, 99)))
    return Latency(p50_ms=p50, p95_ms=p95, p99_ms=p99)


def _speedups(
    subjects: Sequence[Subject],
    baselines: Mapping[int, int],
    taken: Mapping[_Lane, Seconds],
    cold: Sequence[Seconds],
    sessions: Sequence[Seconds],
    threads: Sequence[int],
) -> list[Speedup]:
    found = []
    for other, base in baselines.items():
        pairs = {"cold start": (cold[base], cold[other]), "session": (sessions[base], sessions[other])}
        for count in threads:
            baseline_threads = DEFAULT_THREADS if subjects[base].style == "naive" else count
            said = f"network, {count} thread{'s' if count > 1 else ''}"
            pairs[said] = taken[base, "network", baseline_threads], taken[other, "network", count]
        for what, said in (("whole", "file to label"), ("throughput", "throughput")):
            if (base, what, 0) in taken and (other, what, 0) in taken:
                pairs[said] = taken[base, what, 0], taken[other, what, 0]
        names = {"baseline": subjects[base].name, "other": subjects[other].name}
        found += [Speedup(**names, what=said, times=ratio(*pair)) for said, pair in pairs.items()]
    return found


def _peaks(taken: Mapping[_Lane, Seconds]) -> dict[tuple[str, int], float]:
    """By the fastest call: a peak is what the machine gives when nobody disturbs it."""
    return {
        (what, threads): roofline.MACS / float(seconds.min())
        for (number, what, threads), seconds in taken.items()
        if number == _MACHINE
    }


def noise(taken: Mapping[_Lane, Seconds]) -> float:
    """How much the same matrix product differed between rounds: (90th - 10th percentile) / median.

    Of one thread or of all, float32 or int8, whichever differed most: neighbors that take one core disturb some more.
    """
    products = [seconds for (number, _, _), seconds in taken.items() if number == _MACHINE]
    spread = [np.percentile(np.median(seconds, axis=1), (10, 50, 90)) for seconds in products]
    return max(float((high - low) / middle) for low, middle, high in spread)
