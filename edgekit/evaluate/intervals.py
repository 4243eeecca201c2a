"""Confidence intervals, and a paired test of two models on the same images."""

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
    """A measured value with its 95% confidence interval.

    Attributes:
        value: the measured value.
        low: lower end of the interval.
        high: upper end of the interval.

    Example:
        >>> from edgekit.evaluate import Interval
        >>> Interval(value=0.9, low=0.88, high=0.92).to_dict()
        {'value': 0.9, 'low': 0.88, 'high': 0.92}
    """

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """All figures as JSON-ready values."""
        return dataclasses.asdict(self)


def wilson_interval(correct: int, images: int) -> Interval:
    """An accuracy with its 95% Wilson interval (Wilson 1927), which is valid near 0 and 1 and for few images.

    Args:
        correct: number of correct predictions.
        images: number of images, at least 1.
    """
    share = correct / images
    scale = 1 + Z_95**2 / images
    center = (share + Z_95**2 / (2 * images)) / scale
    spread = Z_95 / scale * math.sqrt(share * (1 - share) / images + Z_95**2 / (4 * images**2))
    return Interval(value=share, low=min(max(center - spread, 0.0), share), high=max(min(center + spread, 1.0), share))


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """A paired comparison of two models on the same images.

    Attributes:
        won: number of images that only the second model predicts correctly.
        lost: number of images that only the first model predicts correctly.
        both_right: number of images that both predict correctly.
        both_wrong: number of images that neither predicts correctly.
        p_value: of McNemar's exact test (a sign test of `won` against `lost`): the probability of a split at least as
            uneven if both models were equally good.
    """

    won: int
    lost: int
    both_right: int
    both_wrong: int
    p_value: float

    @property
    def verdict(self) -> str:
        """Whether the second model is better, in a few words; the significance level is 5%."""
        p_value = f"p = {self.p_value:.3g}"
        if self.p_value >= _SIGNIFICANCE:
            return f"no significant difference ({p_value})"
        return f"{'better' if self.won > self.lost else 'worse'} ({p_value})"

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON-ready values."""
        return dataclasses.asdict(self)


def paired_test(first: Flags, second: Flags) -> PairedTest:
    """Compare two models by McNemar's exact test.

    Args:
        first: bool (N,), whether the first model predicted each image correctly.
        second: bool (N,), the same for the second model.
    """
    won, lost = int((second & ~first).sum()), int((first & ~second).sum())
    return PairedTest(
        won=won,
        lost=lost,
        both_right=int((first & second).sum()),
        both_wrong=int((~first & ~second).sum()),
        p_value=sign_test(won, lost),
    )


def sign_test(ups: int, downs: int) -> float:
    """The exact two-sided p-value of a sign test.

    Args:
        ups: number of signs in one direction.
        downs: number of signs in the other, equally likely direction.
    """
    tosses = ups + downs
    # In logarithms, because 2**-tosses underflows for thousands of images.
    logs = [_log_choose(tosses, k) - tosses * math.log(2) for k in range(min(ups, downs) + 1)]
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))


def mean_interval(values: npt.ArrayLike) -> Interval:
    """The mean with its 95% interval, by the normal distribution; a single value has an interval of width 0.

    Args:
        values: (N,), at least one.
    """
    sample = np.asarray(values, np.float64)
    mean, half = float(sample.mean()), 0.0
    if len(sample) > 1:
        half = Z_95 * float(sample.std(ddof=1)) / math.sqrt(len(sample))
    return Interval(value=mean, low=mean - half, high=mean + half)


def median_interval(values: npt.ArrayLike) -> Interval:
    """The median with its 95% interval, between two order statistics.

    The interval is distribution-free and covers the median with a probability of at least 95%. Fewer than 6 values have
    no such pair; then it is their whole range.

    Args:
        values: (N,), at least one.
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
