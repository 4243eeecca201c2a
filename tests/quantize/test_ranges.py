"""The calibrators, on distributions with a known best range."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.quantize.calibrate import BINS, ActivationStatistics, Histogram
from edgekit.quantize.ranges import (
    CALIBRATORS,
    LEVELS,
    Range,
    entropy_range,
    mse_range,
    percentile_range,
    tensor_ranges,
)


def histogram_of(values: np.ndarray) -> Histogram:
    counts, _ = np.histogram(values, BINS, (values.min(), values.max()))
    return Histogram(lowest=float(values.min()), highest=float(values.max()), counts=counts)


def statistics_of(values: np.ndarray) -> ActivationStatistics:
    low, high = float(values.min()), float(values.max())
    return ActivationStatistics(
        lowest=low,
        highest=high,
        average_lowest=low / 2,
        average_highest=high / 2,
        channel_mean=np.zeros(1),
        channel_highest=np.zeros(1),
    )


def rounding_error(values: np.ndarray, limits: Range) -> float:
    """Mean squared error of quantizing the values to 256 levels, computed from the definition."""
    levels = np.clip(np.round((values - limits.lowest) / limits.step), 0, LEVELS - 1)
    return float(((limits.lowest + levels * limits.step - values) ** 2).mean())


@settings(max_examples=25)
@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=2, max_size=50).filter(lambda v: max(v) - min(v) > 1e-3))
def test_tensor_ranges_include_zero_and_lie_within_the_measured_range(values):
    array = np.array(values)
    for calibrator in CALIBRATORS:
        limits = tensor_ranges({"x": statistics_of(array)}, {"x": histogram_of(array)}, calibrator=calibrator)["x"]
        assert limits.lowest <= 0 <= limits.highest
        assert min(array.min(), 0) - 1e-3 <= limits.lowest
        assert limits.highest <= max(array.max(), 0) + 1e-3


def test_tensor_ranges_of_minmax_and_moving_average_are_the_measured_extremes():
    statistics = {"x": statistics_of(np.array([-2.0, 6.0]))}
    assert tensor_ranges(statistics, {}, calibrator="minmax")["x"] == (-2, 6)
    assert tensor_ranges(statistics, {}, calibrator="moving-average")["x"] == (-1, 3)


def test_percentile_range_clips_outliers_only():
    values = np.concatenate([np.random.default_rng(0).uniform(0, 1, 100_000), [50.0] * 3])
    assert percentile_range(histogram_of(values)).highest == pytest.approx(1, abs=0.05)
    assert percentile_range(histogram_of(values[:-3])).highest == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("calibrated_range", [mse_range, entropy_range])
def test_mse_and_entropy_range_clip_an_outlier_and_keep_a_uniform_distribution(calibrated_range):
    rng = np.random.default_rng(0)
    uniform = rng.uniform(0, 6, 200_000)
    assert calibrated_range(histogram_of(uniform)).highest == pytest.approx(6, abs=0.2)
    assert calibrated_range(histogram_of(np.append(np.abs(rng.normal(0, 1, 200_000)), 30.0))).highest < 28


def test_mse_range_has_nearly_the_least_error():
    values = np.random.default_rng(0).standard_t(3, 20_000)
    low, high = values.min(), values.max()
    errors = [rounding_error(values, Range(low * fraction, high * fraction)) for fraction in np.linspace(0.2, 1, 33)]
    assert rounding_error(values, mse_range(histogram_of(values))) <= 1.02 * min(errors)
    assert min(errors) < errors[-1]  # otherwise the full range would do


def test_entropy_range_ignores_the_zeros_after_a_relu():
    rng = np.random.default_rng(0)
    relu6 = np.clip(rng.normal(0, 3, 400_000), 0, 6)
    assert entropy_range(histogram_of(relu6)).highest > 5
