"""Confidence intervals and tests, compared with scipy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from edgekit.evaluate.intervals import median_interval, paired_test, sign_test, wilson_interval


@given(st.integers(1, 20_000), st.floats(0, 1))
def test_wilson_interval_agrees_with_scipy(images, share):
    right = round(share * images)
    ours, theirs = wilson_interval(right, images), binomtest(right, images).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_sign_test_agrees_with_scipy(ups, downs):
    theirs = binomtest(ups, ups + downs).pvalue if ups + downs else 1.0
    assert sign_test(ups, downs) == pytest.approx(theirs, rel=1e-6, abs=1e-300)


def test_paired_test_counts_from_the_second_models_point_of_view():
    first, second = np.array([1, 1, 1, 0, 0], bool), np.array([1, 0, 1, 1, 0], bool)
    result = paired_test(first, second)
    assert (result.won, result.lost, result.both_right, result.both_wrong) == (1, 1, 2, 1)
    assert result.p_value == 1
    assert paired_test(first[:0], second[:0]).p_value == 1


def test_paired_test_verdict_requires_significance():
    right, wrong = np.ones(20, bool), np.zeros(20, bool)
    assert paired_test(wrong, right).verdict.startswith("better")
    assert paired_test(right, wrong).verdict.startswith("worse")
    assert "no significant difference" in paired_test(right, right).verdict


@pytest.mark.parametrize("count", [6, 7, 15, 40, 101])
def test_median_interval_is_the_narrowest_with_enough_coverage(count):
    interval = median_interval(np.arange(count))
    below = int(interval.low)
    assert interval.high == count - 1 - below
    assert 2 * binom.cdf(below, count, 0.5) <= 0.05 < 2 * binom.cdf(below + 1, count, 0.5)


def test_median_interval_of_few_values_is_their_whole_range():
    assert (median_interval([3, 1, 2]).low, median_interval([3, 1, 2]).high) == (1, 3)
