"""Confidence intervals, of one measurement or several at once, and a paired test of two models on the same images."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]

Z_95 = 1.959963984540054  # the normal distribution's 97.5% quantile
_SIGNIFICANCE = 0.05
_DRAWS = (8, 500)  # of random signs, in blocks: the share beyond their 95% quantile is known to 0.3 points
_ROUNDING = 1e-5  # of sums in float32: a statistic that equals the quantile must not exceed it


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A measured value with its confidence interval, of 95% if nothing else is stated.

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


def wilson_interval(correct: int, images: int, *, confidence: float = 0.95) -> Interval:
    """An accuracy with its Wilson interval (Wilson 1927), which is valid near 0 and 1 and for few images.

    Args:
        correct: number of correct predictions.
        images: number of images, at least 1.
        confidence: of the interval, above 0 and below 1.
    """
    share, z = correct / images, z_score(confidence)
    scale = 1 + z**2 / images
    center = (share + z**2 / (2 * images)) / scale
    spread = z / scale * math.sqrt(share * (1 - share) / images + z**2 / (4 * images**2))
    return Interval(value=share, low=min(max(center - spread, 0.0), share), high=max(min(center + spread, 1.0), share))


def paired_interval(lost: int, gained: int, images: int, *, confidence: float = 0.95) -> Interval:
    """How much less accurate a second model is on the same images, -1 to 1, with its score interval (Tango 1998).

    It contains the differences that a score test does not reject. Where both models are right, or both wrong, for all
    images, it is not of width 0 as by the normal distribution, but as wide as Wilson's.

    Args:
        lost: number of images that only the first model predicts correctly.
        gained: number of images that only the second model predicts correctly.
        images: number of images, at least 1.
        confidence: of the interval, above 0 and below 1.
    """
    z = z_score(confidence)
    low, high = -_largest_drop(gained, lost, images, z=z), _largest_drop(lost, gained, images, z=z)
    return Interval(value=(lost - gained) / images, low=low, high=high)


def paired_images_needed(
    lost: int, gained: int, images: int, *, limit: float, confidence: float = 0.95, power: float = 0.8
) -> float:
    """The number of images that would prove that the difference is at most a limit, if the shares are what they seem.

    On as many images, the upper end of `paired_interval` is at most the limit with the probability `power`.

    Args:
        lost: number of images that only the first model predicts correctly.
        gained: number of images that only the second model predicts correctly.
        images: number of images, at least 1.
        limit: a difference, -1 to 1.
        confidence: of the interval, above 0 and below 1.
        power: above 0 and below 1; with 0.5, the upper end is the limit if the shares stay exactly the same.

    Returns:
        A number of images; infinite if the difference is not below the limit.
    """
    shares, difference = (lost / images, gained / images), (lost - gained) / images
    deviations = math.sqrt(_score_variance(*shares, limit)), math.sqrt(sum(shares) - difference**2)
    return images_for_margin(limit - difference, *deviations, confidence=confidence, power=power)


def images_for_margin(
    margin: float, tested: float, measured: float, *, confidence: float = 0.95, power: float = 0.8
) -> float:
    """The number of images at which the end of an interval keeps a margin from a mean, with the probability `power`.

    Args:
        margin: distance from the mean to the limit.
        tested: standard deviation of one image, by which the interval decides.
        measured: standard deviation of one image, by which the mean of other images varies.
        confidence: of the interval, above 0 and below 1.
        power: above 0 and below 1.

    Returns:
        A number of images; infinite if the margin is not above 0.
    """
    if not margin > 0:
        return math.inf
    return float(max(z_score(confidence) * tested + NormalDist().inv_cdf(power) * measured, 0.0) / margin) ** 2


def z_score(confidence: float) -> float:
    """Half the width of an interval of the normal distribution, in standard deviations: 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _largest_drop(lost: int, gained: int, images: int, *, z: float) -> float:
    """The upper end of Tango's interval, by bisection."""
    drop, share_lost, share_gained = (lost - gained) / images, lost / images, gained / images
    low, high = drop, 1.0
    while low < (middle := (low + high) / 2) < high:
        if middle - drop <= z * math.sqrt(_score_variance(share_lost, share_gained, middle) / images):
            low = middle
        else:
            high = middle
    return high


def _score_variance(lost: float, gained: float, difference: float) -> float:
    """The variance of one image's difference if its mean were `difference`, at the likeliest shares (Tango 1998)."""
    slope = (2 - lost + gained) * difference - lost - gained
    root = math.sqrt(max(slope**2 + 8 * gained * difference * (1 - difference), 0.0))
    return max((root - slope) / 2 + difference * (1 - difference), 0.0)


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


def simultaneous_intervals(differences: npt.ArrayLike) -> tuple[Interval, ...]:
    """The means of several paired comparisons on the same images, with intervals that hold for all of them at once.

    If no comparison has a true difference, the chance that any of the intervals excludes 0 is at most 5%. The
    statistic of a comparison is its sum divided by the root of its sum of squares (of wins and losses: McNemar's), and
    all intervals are as wide as the largest statistic becomes when each image's differences get a random sign: its 95%
    quantile (single-step maxT, Westfall and Young 1993; with random signs, Nichols and Holmes 2002). Unlike
    Bonferroni's correction this takes into account how alike the comparisons are, and unlike the normal distribution it
    holds for a handful of differences. The same differences always have the same intervals.

    Args:
        differences: (images, comparisons), at least one of each; the rows are independent.
    """
    values = np.asarray(differences, np.float64)
    roots = np.sqrt((values**2).sum(axis=0))
    differing = (values / np.where(roots > 0, roots, 1))[values.any(axis=1)].astype(np.float32)
    rng, largest = np.random.default_rng(0), np.zeros(_DRAWS)
    if len(differing):
        for block in largest:
            signs = 2 * rng.integers(0, 2, (len(block), len(differing)), np.int8) - 1
            block[:] = np.abs(signs.astype(np.float32) @ differing).max(axis=1)
    halves = float(np.quantile(largest, 1 - _SIGNIFICANCE, method="higher")) * (1 + _ROUNDING) * roots / len(values)
    means = values.mean(axis=0)
    return tuple(
        Interval(value=mean, low=mean - half, high=mean + half)
        for mean, half in zip(means.tolist(), halves.tolist(), strict=True)
    )
