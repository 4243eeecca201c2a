"""What a benchmark measured: of each subject, and of each against its baseline."""

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
_NOISY_RATIO = 1.15  # between the ends of an interval: wider ones mean little
_NOISY_MACHINE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One image, milliseconds: the median, and how long the slowest of 20 and of 100 take."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkLatency:
    """The network alone with that many threads (0: onnxruntime's default).

    peak_share: of the multiply-accumulates a second that a large matrix product reaches.
    """

    threads: int
    latency: Latency
    peak_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SubjectResult:
    """One subject. images_per_s: of the network alone, every core working on an image of its own.

    file_to_label: None for a third-party file. cold_start_ms: a whole process that predicts once.
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
        """JSON-ready figures."""
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
    """How many times as fast the other is as its baseline; what: the figure that was measured of both in turn."""

    baseline: str
    other: str
    what: str
    times: Interval

    @property
    def verdict(self) -> str:
        """Why the figure cannot be taken at face value; empty if it can."""
        undecided = self.times.low <= 1 <= self.times.high
        if self.times.high / self.times.low > _NOISY_RATIO:
            return "too noisy to tell" if undecided else "noisy"
        return "no difference can be told" if undecided else ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BenchResult:
    """All subjects and how they compare.

    peaks: multiply-accumulates a second by precision and threads. noise: how much the time of the same work differed
    between rounds, as a share of its median.
    """

    subjects: tuple[SubjectResult, ...]
    speedups: tuple[Speedup, ...]
    peaks: Mapping[tuple[str, int], float]
    noise: float

    @property
    def is_noisy(self) -> bool:
        """Whether only ratios can be trusted, if those."""
        return self.noise > _NOISY_MACHINE

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        return {
            "schema": _SCHEMA,
            "machine": machine(),
            "noise": self.noise,
            "noisy": self.is_noisy,
            "peaks": [{"precision": p, "threads": n, "macs_per_s": rate} for (p, n), rate in self.peaks.items()],
            "models": [subject.to_dict() for subject in self.subjects],
            "speedups": [dataclasses.asdict(speedup) | {"verdict": speedup.verdict} for speedup in self.speedups],
        }
