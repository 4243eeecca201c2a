"""Confidence intervals, and the paired test of two models on the same images."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]

Z_95 = 1.959963984540054  # the normal distribution's 97.5% quantile
_SIGNIFICANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A measured value and the 95% interval around it."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """JSON-ready figures."""
        return dataclasses.asdict(self)


def wilson_interval(correct: int, images: int) -> Interval:
    """The accuracy with its 95% interval (Wilson 1927), which holds near 0 and 1 and for few images."""
    share = correct / images
    scale = 1 + Z_95**2 / images
    center = (share + Z_95**2 / (2 * images)) / scale
    spread = Z_95 / scale * math.sqrt(share * (1 - share) / images + Z_95**2 / (4 * images**2))
    return Interval(value=share, low=min(max(center - spread, 0.0), share), high=max(min(center + spread, 1.0), share))


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """Two models on the same images.

    won: images that only the second one predicts correctly; lost: only the first. p_value: of the exact test of McNemar
    (a sign test of won against lost): how often chance alone would be at least as uneven.
    """

    won: int
    lost: int
    both_right: int
    both_wrong: int
    p_value: float

    @property
    def verdict(self) -> str:
        """The result in a few words."""
        p_value = f"p = {self.p_value:.3g}"
        if self.p_value >= _SIGNIFICANCE:
            return f"no difference can be told ({p_value})"
        return f"{'better' if self.won > self.lost else 'worse'} ({p_value})"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        return dataclasses.asdict(self)


def paired_test(first: Flags, second: Flags) -> PairedTest:
    """first, second: (N,) whether each image was predicted correctly."""
    won, lost = int((second & ~first).sum()), int((first & ~second).sum())
    return PairedTest(
        won=won,
        lost=lost,
        both_right=int((first & second).sum()),
        both_wrong=int((~first & ~second).sum()),
        p_value=sign_test(won, lost),
    )


def sign_test(ups: int, downs: int) -> float:
    """The two-sided p-value of `ups` against `downs` if each is as likely as the other; exact."""
    tosses = ups + downs
    # As logarithms: 2**-tosses underflows for thousands of images.
    logs = [_log_choose(tosses, k) - tosses * math.log(2) for k in range(min(ups, downs) + 1)]
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))


def mean_interval(values: npt.ArrayLike) -> Interval:
    """The mean with its 95% interval by the normal distribution; a point if there is one value."""
    sample = np.asarray(values, np.float64)
    mean, half = float(sample.mean()), 0.0
    if len(sample) > 1:
        half = Z_95 * float(sample.std(ddof=1)) / math.sqrt(len(sample))
    return Interval(value=mean, low=mean - half, high=mean + half)


def median_interval(values: npt.ArrayLike) -> Interval:
    """The median with the interval between two order statistics that holds it with at least 95%, whatever its shape.

    With fewer than 6 values no such pair exists; then it is the whole range.
    """
    ordered = np.sort(np.asarray(values, np.float64))
    count = len(ordered)
    outside, below = 0.0, 0
    for k in range(count // 2):
        outside += 2 * math.exp(_log_choose(count, k) - count * math.log(2))
        if outside > _SIGNIFICANCE:
            break
        below = k
    return Interval(value=float(np.median(ordered)), low=float(ordered[below]), high=float(ordered[count - 1 - below]))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
