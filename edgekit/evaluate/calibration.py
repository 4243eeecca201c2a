"""Calibration: whether predictions with 80% confidence are right 80% of the time."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgekit.evaluate.rows import blocks, mapped
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
    logs = mapped(probabilities, lambda rows: np.log(np.maximum(rows, _TINY)))
    temperature = fit_temperature(logs, logs[np.arange(len(truth)), truth])
    before = _summary(truth, probabilities)
    after = _summary(truth, probabilities, temperature)
    bins, scaled_bins = _bins(before), _bins(after)
    return Calibration(
        bins=bins,
        ece=_mean_gap(bins),
        nll=_nll(before),
        temperature=temperature,
        scaled_bins=scaled_bins,
        scaled_ece=_mean_gap(scaled_bins),
        scaled_nll=_nll(after),
    )


def expected_calibration_error(truth: Indexes, probabilities: Probabilities) -> float:
    """The mean gap between confidence and accuracy over the images, 0 to 1, in 15 bins of equal width.

    Args:
        truth: int64 (N,) true class indexes.
        probabilities: float64 (N, classes).
    """
    return _mean_gap(_bins(_summary(truth, probabilities)))


class _Summary(NamedTuple):
    """What calibration needs of each image: (N,) highest probability, whether it is the true class's, that of it."""

    confidence: npt.NDArray[np.float64]
    correct: npt.NDArray[np.bool_]
    of_truth: npt.NDArray[np.float64]


def _summary(truth: Indexes, probabilities: Probabilities, temperature: float | None = None) -> _Summary:
    parts = []
    for rows in blocks(probabilities):
        block, labels = probabilities[rows], truth[rows]
        block = block if temperature is None else with_temperature(block, temperature)
        parts.append((block.max(axis=1), block.argmax(axis=1) == labels, block[np.arange(len(labels)), labels]))
    return _Summary(*map(np.concatenate, zip(*parts, strict=True)))


def _bins(summary: _Summary) -> tuple[Bin, ...]:
    """Divide the images by their confidence. The sums are exact, so that the order of the images does not matter."""
    bin_of = np.searchsorted(np.linspace(0, 1, _BIN_COUNT + 1)[1:-1], summary.confidence)
    bins = []
    for number in range(_BIN_COUNT):
        members = bin_of == number
        count = int(members.sum())
        bins.append(
            Bin(
                low=number / _BIN_COUNT,
                high=(number + 1) / _BIN_COUNT,
                images=count,
                confidence=math.fsum(summary.confidence[members].tolist()) / count if count else None,
                accuracy=int(summary.correct[members].sum()) / count if count else None,
            )
        )
    return tuple(bins)


def _mean_gap(bins: tuple[Bin, ...]) -> float:
    gaps = [
        b.images * abs(b.confidence - b.accuracy) for b in bins if b.confidence is not None and b.accuracy is not None
    ]
    return math.fsum(gaps) / sum(b.images for b in bins)


def _nll(summary: _Summary) -> float:
    terms = -np.log(np.maximum(summary.of_truth, _TINY))
    return math.fsum(terms.tolist()) / len(terms)
