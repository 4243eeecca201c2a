"""What is kept of many timings of the same work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_DECIMALS = 4  # of milliseconds


def quartiles(milliseconds: Sequence[float]) -> dict[str, float]:
    """The median, and the quartiles below and above it."""
    low, median, high = np.percentile(milliseconds, (25, 50, 75))
    return {"median": rounded(median), "low": rounded(low), "high": rounded(high)}


def rounded(milliseconds: float) -> float:
    """Milliseconds in a tenth of a microsecond, which is more than clocks resolve."""
    return round(float(milliseconds), _DECIMALS)
