"""How long two models take, measured in turn: machines are shared, so only ratios of neighbors in time mean much."""

from __future__ import annotations

import dataclasses
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort

from edgekit.image import Pixels

_ROUNDS = 15
_ROUND_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedLatency:
    """Median milliseconds per picture of a baseline and of another model, and the median of the rounds' ratios."""

    baseline_ms: float
    other_ms: float
    speedup: float
    threads: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        return dataclasses.asdict(self)


def paired_latency(
    baseline: ort.InferenceSession, other: ort.InferenceSession, pixels: Pixels, *, threads: int
) -> PairedLatency:
    """Both on pixels (1, height, width, channels), warmed, in alternating rounds of about a tenth of a second."""
    repeats = {session: max(1, int(_ROUND_S / _seconds(session, pixels, 3))) for session in (baseline, other)}
    rounds = [[_seconds(s, pixels, repeats[s]) * 1e3 for s in (baseline, other)] for _ in range(_ROUNDS)]
    base, ours = np.median(np.array(rounds), axis=0).tolist()
    ratio = statistics.median(first / second for first, second in rounds)
    return PairedLatency(baseline_ms=base, other_ms=ours, speedup=ratio, threads=threads)


def _seconds(session: ort.InferenceSession, pixels: Pixels, repeats: int) -> float:
    """Mean seconds of one run."""
    start = time.perf_counter()
    for _ in range(repeats):
        session.run(["logits"], {"pixels": pixels})
    return (time.perf_counter() - start) / repeats
