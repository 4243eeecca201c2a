"""How long two models take, measured in turn: machines are shared, so only ratios of neighbors in time mean much."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import onnxruntime as ort

from edgekit.evaluate.timing import in_turn, ratio
from edgekit.image.load import Pixels


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
    feed = {"pixels": pixels}
    first, second = in_turn([partial(session.run, ["logits"], feed) for session in (baseline, other)])
    base_ms, other_ms = (float(np.median(seconds)) * 1e3 for seconds in (first, second))
    return PairedLatency(baseline_ms=base_ms, other_ms=other_ms, speedup=ratio(first, second).value, threads=threads)
