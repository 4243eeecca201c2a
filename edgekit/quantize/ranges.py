"""Calibrators: choose the range of each activation that its 256 integers cover.

A wide range clips nothing but is coarse; a narrow one is fine but clips. The calibrators differ in where they clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from edgekit.quantize.calibrate import ActivationStatistics, Histogram

Calibrator: TypeAlias = Literal["minmax", "moving-average", "percentile", "entropy", "mse"]
CALIBRATORS: tuple[Calibrator, ...] = get_args(Calibrator)

LEVELS = 256
_TAIL = 1e-4  # fraction of the values that the percentile calibrator clips at each end
# Fractions of the measured range that the entropy and mse calibrators choose from.
_FRACTIONS = np.linspace(0.2, 1.0, 65)


class Range(NamedTuple):
    """The real values that the integers cover. Includes 0, because the zeros of padding and Relu must be exact."""

    lowest: float
    highest: float

    @property
    def step(self) -> float:
        """The scale: the distance between the values of two neighboring integers."""
        return (self.highest - self.lowest) / (LEVELS - 1)


def needs_histogram(calibrator: Calibrator) -> bool:
    """Whether the calibrator needs histograms of the activations, not only their extremes."""
    return calibrator not in ("minmax", "moving-average")


def tensor_ranges(
    statistics: Mapping[str, ActivationStatistics], histograms: Mapping[str, Histogram], *, calibrator: Calibrator
) -> dict[str, Range]:
    """Choose the range of each measured tensor.

    Args:
        statistics: activation statistics by tensor name.
        histograms: histograms of the same tensors; may be empty unless `needs_histogram(calibrator)`.
        calibrator: how to choose.

    Returns:
        The range of each tensor by its name.
    """
    if calibrator == "minmax":
        return {name: _with_zero(tensor.lowest, tensor.highest) for name, tensor in statistics.items()}
    if calibrator == "moving-average":
        return {name: _with_zero(tensor.average_lowest, tensor.average_highest) for name, tensor in statistics.items()}
    histogram_range = {"percentile": percentile_range, "entropy": entropy_range, "mse": mse_range}[calibrator]
    return {name: histogram_range(histograms[name]) for name in statistics}


def percentile_range(histogram: Histogram, *, tail: float = _TAIL) -> Range:
    """Clip the fraction `tail` of the values at each end."""
    below = np.cumsum(histogram.counts) / max(histogram.counts.sum(), 1)
    edges = np.linspace(histogram.lowest, histogram.highest, len(histogram.counts) + 1)
    low, high = np.searchsorted(below, tail, side="right"), np.searchsorted(below, 1 - tail, side="left")
    return _with_zero(float(edges[int(low)]), float(edges[min(int(high) + 1, len(edges) - 1)]))


def mse_range(histogram: Histogram) -> Range:
    """Minimize the mean squared error of rounding and clipping."""
    centers, counts = histogram.centers, histogram.counts

    def error(candidate: Range) -> float:
        if not candidate.step:
            return float(counts @ centers**2)
        levels = np.clip(np.round((centers - candidate.lowest) / candidate.step), 0, LEVELS - 1)
        return float(counts @ (candidate.lowest + levels * candidate.step - centers) ** 2)

    return _range_of_least_loss(histogram, error)


def entropy_range(histogram: Histogram) -> Range:
    """Minimize the information lost to quantization.

    That is the KL divergence of the quantized distribution from the clipped one (Migacz, 8-bit Inference with
    TensorRT, 2017). Zeros are excluded: they are exact in any range, and they are half of all values after a Relu.
    """
    counts = _without_zeros(histogram)

    def divergence(candidate: Range) -> float:
        if not candidate.step:
            return np.inf
        position = (histogram.centers - candidate.lowest) / candidate.step
        inside = (position >= -0.5) & (position <= LEVELS - 0.5)
        level = np.clip(np.round(position), 0, LEVELS - 1).astype(np.intp)
        return _quantization_divergence(counts, inside, level)

    return _range_of_least_loss(histogram, divergence)


def _quantization_divergence(
    counts: npt.NDArray[np.float64], inside: npt.NDArray[np.bool_], level: npt.NDArray[np.intp]
) -> float:
    """KL divergence in nats, with the mass of each level spread evenly over its non-empty bins.

    Args:
        counts: float64 (BINS,), the histogram.
        inside: bool (BINS,), whether a bin lies within the candidate range.
        level: intp (BINS,), the quantization level of each bin, 0 to 255.
    """
    unclipped = np.where(inside, counts, 0.0)
    if not unclipped.any():
        return np.inf
    within = np.flatnonzero(inside)
    clipped = unclipped.copy()
    clipped[within[0]] += counts[: within[0]].sum()
    clipped[within[-1]] += counts[within[-1] + 1 :].sum()
    filled = (unclipped > 0).astype(np.float64)
    mass, bins = np.bincount(level, unclipped, LEVELS), np.bincount(level, filled, LEVELS)
    spread = np.where(filled > 0, mass[level] / np.maximum(bins[level], 1), 0.0)
    expected, quantized = clipped / clipped.sum(), spread / spread.sum()
    used = expected > 0
    return float((expected[used] * np.log(expected[used] / np.maximum(quantized[used], 1e-12))).sum())


def _without_zeros(histogram: Histogram) -> npt.NDArray[np.float64]:
    """The counts, with the bin of zero cut down to the fuller of its two neighbors."""
    counts = histogram.counts.astype(np.float64)
    zero = int(np.searchsorted(histogram.centers, 0.0))
    for index in (zero - 1, zero):
        if 0 <= index < len(counts):
            neighbors = [counts[i] for i in (zero - 2, zero + 1) if 0 <= i < len(counts)]
            counts[index] = min(counts[index], max(neighbors))
    return counts


def _range_of_least_loss(histogram: Histogram, loss: Callable[[Range], float]) -> Range:
    """The widest of the fractions of the measured range with the smallest loss."""
    candidates = [
        _with_zero(fraction * histogram.lowest, fraction * histogram.highest) for fraction in _FRACTIONS[::-1]
    ]
    return min(candidates, key=loss)


def _with_zero(lowest: float, highest: float) -> Range:
    return Range(min(lowest, 0.0), max(highest, 0.0))
