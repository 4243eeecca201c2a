"""What a bench found: of each subject, and of each against its baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.bench.operators import Operator
from edgekit.bench.subject import Subject
from edgekit.evaluate.intervals import Interval
from edgekit.runtime.cpu import machine

_SCHEMA = 1
_NOISY_RATIO = 1.15  # between the ends of an interval: wider ones say little
_NOISY_MACHINE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One picture, milliseconds: the median, and how long the slowest of 20 and of 100 take."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The network alone with that many threads (0: onnxruntime's default).

    peak_share: of the multiply-accumulates a second that a large matrix product reaches.
    """

    threads: int
    latency: Latency
    peak_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """One subject. pictures_per_s: of the network alone, every core working on a picture of its own.

    whole: from picture file to label; None for a stranger's file. cold_start_ms: a whole process that answers once.
    """

    subject: Subject
    size_bytes: int
    macs: int
    cold_start_ms: float
    session_ms: float
    peak_memory_bytes: int
    pictures_per_s: float
    runs: tuple[Run, ...]
    whole: Latency | None
    operators: tuple[Operator, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speedup:
    """How many times as fast (or as little memory) the other is as its baseline, by what was measured in turn."""

    baseline: str
    other: str
    what: str
    times: Interval

    @property
    def verdict(self) -> str:
        """What keeps the figure from being taken at its word; empty where nothing does."""
        undecided = self.times.low <= 1 <= self.times.high
        if self.times.high / self.times.low > _NOISY_RATIO:
            return "too noisy to tell" if undecided else "noisy"
        return "no difference can be told" if undecided else ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bench:
    """Everything.

    peaks: multiply-accumulates a second by precision and threads. noise: how much one and the same work differed
    between rounds, as a share of its median.
    """

    measured: tuple[Measured, ...]
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
            "models": [_measured_dict(one) for one in self.measured],
            "speedups": [dataclasses.asdict(one) | {"verdict": one.verdict} for one in self.speedups],
        }


def _measured_dict(one: Measured) -> dict[str, Any]:
    return {
        "name": one.subject.name,
        "path": str(one.subject.path),
        "style": one.subject.style,
        "precision": one.subject.precision,
        "size_bytes": one.size_bytes,
        "macs": one.macs,
        "cold_start_ms": one.cold_start_ms,
        "session_ms": one.session_ms,
        "peak_memory_bytes": one.peak_memory_bytes,
        "pictures_per_s": one.pictures_per_s,
        "network": [dataclasses.asdict(run) for run in one.runs],
        "file_to_label": dataclasses.asdict(one.whole) if one.whole else None,
        "operators": [dataclasses.asdict(operator) for operator in one.operators],
    }
