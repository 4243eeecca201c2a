"""Calibration: whether predictions with 80% confidence are right 80% of the time."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.evaluate.temperature import fit_temperature
from edgekit.preprocess.scores import with_temperature

_BIN_COUNT = 15  # as in Guo et al. 2017, arXiv 1706.04599
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
        ece=_mean_gap(before),
        nll=_nll(truth, probabilities),
        temperature=temperature,
        scaled_bins=after,
        scaled_ece=_mean_gap(after),
        scaled_nll=_nll(truth, scaled),
    )


def expected_calibration_error(truth: Indexes, probabilities: Probabilities) -> float:
    """The mean gap between confidence and accuracy over the images, 0 to 1, in 15 bins of equal width.

    Args:
        truth: int64 (N,) true class indexes.
        probabilities: float64 (N, classes).
    """
    return _mean_gap(_bins(truth, probabilities))


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


def _mean_gap(bins: tuple[Bin, ...]) -> float:
    gaps = [
        b.images * abs(b.confidence - b.accuracy) for b in bins if b.confidence is not None and b.accuracy is not None
    ]
    return math.fsum(gaps) / sum(b.images for b in bins)


def _nll(truth: Indexes, probabilities: Probabilities) -> float:
    return float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], _TINY)).mean())
