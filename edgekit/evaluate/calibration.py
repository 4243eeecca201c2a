"""Calibration: whether predictions with 80% confidence are right 80% of the time, and temperature scaling."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.preprocess.scores import Floats, softmax

_BIN_COUNT = 15  # as in Guo et al. 2017, arXiv 1706.04599
_TEMPERATURES = (0.05, 20.0)
_STEPS = 40  # of golden-section search: the interval ends narrower than 1e-7
_TINY = 1e-30

Probabilities = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """One bin of a reliability curve.

    Attributes:
        low: lower bound of the confidence (top probability), exclusive.
        high: upper bound, inclusive.
        images: number of images in the bin.
        confidence: their mean confidence, 0 to 1; None if there are none.
        accuracy: their accuracy, 0 to 1; None if there are none.
    """

    low: float
    high: float
    images: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How well a model's confidence matches its accuracy, before and after temperature scaling.

    Attributes:
        bins: the reliability curve.
        ece: expected calibration error, 0 to 1: the mean gap between confidence and accuracy over the images.
        nll: mean negative log-likelihood of the true class, in nats.
        temperature: divisor of the logits that minimizes `nll` on these images; above 1 the model is overconfident.
        scaled_bins: `bins` after temperature scaling.
        scaled_ece: `ece` after temperature scaling.
        scaled_nll: `nll` after temperature scaling.
    """

    bins: tuple[Bin, ...]
    ece: float
    nll: float
    temperature: float
    scaled_bins: tuple[Bin, ...]
    scaled_ece: float
    scaled_nll: float

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON-ready values."""
        return dataclasses.asdict(self)


def calibration(truth: Indexes, probabilities: Probabilities) -> Calibration:
    """Measure calibration.

    Args:
        truth: int64 (N,) true class indexes.
        probabilities: float64 (N, classes).
    """
    logs = np.log(np.maximum(probabilities, _TINY))
    temperature = fit_temperature(logs, logs[np.arange(len(truth)), truth])
    scaled = with_temperature(probabilities, temperature)
    before, after = (_bins(truth, p) for p in (probabilities, scaled))
    return Calibration(
        bins=before,
        ece=_expected_calibration_error(before),
        nll=_nll(truth, probabilities),
        temperature=temperature,
        scaled_bins=after,
        scaled_ece=_expected_calibration_error(after),
        scaled_nll=_nll(truth, scaled),
    )


def with_temperature(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Scale probabilities by a temperature: softmax(log p / temperature).

    For the prediction of a single view this equals softmax(logits / temperature).

    Args:
        probabilities: float64 (N, classes).
        temperature: above 0; above 1 lowers the confidence.

    Returns:
        float64 (N, classes).
    """
    return softmax(np.log(np.maximum(probabilities, _TINY)) / temperature)


def fit_temperature(logits: Floats, target_logits: Floats) -> float:
    """Find the temperature that minimizes the negative log-likelihood, by golden-section search of its logarithm.

    There is a single minimum, because the negative log-likelihood is convex in 1 / temperature (Guo et al. 2017, arXiv
    1706.04599, section 4.2).

    Args:
        logits: (N, classes) logits or log-probabilities.
        target_logits: (N,) logits of the true classes, or the means of the logits weighted by soft targets.

    Returns:
        A temperature from 0.05 to 20.
    """
    highest = logits.max(axis=1)
    logits = np.asarray(logits - highest[:, None], np.float64)
    target_logits = np.asarray(target_logits - highest, np.float64)

    def nll(log_temperature: float) -> float:
        inverse = math.exp(-log_temperature)
        return float((np.log(np.exp(logits * inverse).sum(axis=1)) - target_logits * inverse).mean())

    ratio = (math.sqrt(5) - 1) / 2
    low, high = map(math.log, _TEMPERATURES)
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = nll(left), nll(right)
    for _ in range(_STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = nll(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = nll(right)
    return math.exp((low + high) / 2)


def _bins(truth: Indexes, probabilities: Probabilities) -> tuple[Bin, ...]:
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bin_of = np.searchsorted(np.linspace(0, 1, _BIN_COUNT + 1)[1:-1], confidence)
    counts = np.bincount(bin_of, minlength=_BIN_COUNT)
    sums = [np.bincount(bin_of, weights=values, minlength=_BIN_COUNT) for values in (confidence, correct)]
    means = [np.divide(s, counts, out=np.full(_BIN_COUNT, np.nan), where=counts > 0).tolist() for s in sums]
    return tuple(
        Bin(
            low=number / _BIN_COUNT,
            high=(number + 1) / _BIN_COUNT,
            images=int(count),
            confidence=means[0][number] if count else None,
            accuracy=means[1][number] if count else None,
        )
        for number, count in enumerate(counts)
    )


def _expected_calibration_error(bins: tuple[Bin, ...]) -> float:
    gaps = [
        b.images * abs(b.confidence - b.accuracy) for b in bins if b.confidence is not None and b.accuracy is not None
    ]
    return math.fsum(gaps) / sum(b.images for b in bins)


def _nll(truth: Indexes, probabilities: Probabilities) -> float:
    return float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], _TINY)).mean())
