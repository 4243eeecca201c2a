"""The results of a benchmark: of each subject, and of each subject compared with its baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.bench.operators import OperatorShare
from edgekit.bench.subject import Subject
from edgekit.evaluate.intervals import Interval
from edgekit.runtime.cpu import machine

_SCHEMA = 2
_NOISY_RATIO = 1.15  # between the ends of an interval; a wider interval says little
_NOISY_MACHINE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Latency of one image.

    Attributes:
        p50_ms: median, in milliseconds.
        p95_ms: 95th percentile, in milliseconds.
        p99_ms: 99th percentile, in milliseconds.
    """

    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkLatency:
    """Latency of the network alone, without image decoding and preprocessing.

    Attributes:
        threads: intra-op threads; 0 for onnxruntime's default.
        latency: latency of one image.
        peak_share: multiply-accumulates per second relative to those of a large matrix product; None if the network has
            none.
    """

    threads: int
    latency: Latency
    peak_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SubjectResult:
    """The results of one subject.

    Attributes:
        subject: what was measured.
        size_bytes: size of the model file.
        macs: multiply-accumulates per image.
        cold_start_ms: median milliseconds of a whole process that predicts once.
        session_ms: median milliseconds to open a session.
        peak_memory_bytes: peak memory of a process that predicts once.
        images_per_s: throughput of the network alone, with one image per core in parallel.
        network: latency of the network alone, for each number of threads.
        file_to_label: latency from image file to label; None for a third-party model.
        operators: time shares of the operators, the slowest first.
    """

    subject: Subject
    size_bytes: int
    macs: int
    cold_start_ms: float
    session_ms: float
    peak_memory_bytes: int
    images_per_s: float
    network: tuple[NetworkLatency, ...]
    file_to_label: Latency | None
    operators: tuple[OperatorShare, ...]

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON-ready values."""
        return {
            "name": self.subject.name,
            "path": str(self.subject.path),
            "style": self.subject.style,
            "precision": self.subject.precision,
            "size_bytes": self.size_bytes,
            "macs": self.macs,
            "cold_start_ms": self.cold_start_ms,
            "session_ms": self.session_ms,
            "peak_memory_bytes": self.peak_memory_bytes,
            "images_per_s": self.images_per_s,
            "network": [dataclasses.asdict(latency) for latency in self.network],
            "file_to_label": dataclasses.asdict(self.file_to_label) if self.file_to_label else None,
            "operators": [dataclasses.asdict(operator) for operator in self.operators],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Speedup:
    """How many times as fast a subject is as its baseline.

    Attributes:
        baseline: name of the baseline.
        other: name of the subject.
        what: what was timed, such as "network, 1 thread".
        times: the speedup with its 95% interval; above 1 the subject is faster.
    """

    baseline: str
    other: str
    what: str
    times: Interval

    @property
    def verdict(self) -> str:
        """Why the figure cannot be trusted as it stands; empty if it can."""
        undecided = self.times.low <= 1 <= self.times.high
        if self.times.high / self.times.low > _NOISY_RATIO:
            return "too noisy to decide" if undecided else "noisy"
        return "no significant difference" if undecided else ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BenchResult:
    """Results of one benchmark.

    Attributes:
        subjects: the results of each subject.
        speedups: subjects compared with their baselines.
        peaks: multiply-accumulates per second of a large matrix product, by precision and threads.
        noise: variation of the time of the same work between rounds, relative to its median.
    """

    subjects: tuple[SubjectResult, ...]
    speedups: tuple[Speedup, ...]
    peaks: Mapping[tuple[str, int], float]
    noise: float

    @property
    def is_noisy(self) -> bool:
        """Whether the machine was too busy for absolute figures; ratios are more reliable."""
        return self.noise > _NOISY_MACHINE

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON-ready values."""
        return {
            "schema": _SCHEMA,
            "machine": machine(),
            "noise": self.noise,
            "noisy": self.is_noisy,
            "peaks": [{"precision": p, "threads": n, "macs_per_s": rate} for (p, n), rate in self.peaks.items()],
            "models": [subject.to_dict() for subject in self.subjects],
            "speedups": [dataclasses.asdict(speedup) | {"verdict": speedup.verdict} for speedup in self.speedups],
        }
