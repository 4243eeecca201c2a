"""Confidence intervals and tests, compared with scipy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import xlogy
from scipy.stats import binom, binomtest

from edgekit.evaluate.intervals import (
    Interval,
    images_for_margin,
    mean_interval,
    median_interval,
    paired_images_needed,
    paired_interval,
    paired_test,
    sign_test,
    simultaneous_intervals,
    wilson_interval,
)


@given(st.integers(1, 20_000), st.floats(0, 1))
def test_wilson_interval_agrees_with_scipy(images, share):
    right = round(share * images)
    ours, theirs = wilson_interval(right, images), binomtest(right, images).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1


@given(st.integers(1, 2000), st.floats(0, 1), st.sampled_from([0.9, 0.95, 0.99375]))
def test_wilson_interval_with_another_confidence_agrees_with_scipy(images, share, confidence):
    right = round(share * images)
    ours = wilson_interval(right, images, confidence=confidence)
    theirs = binomtest(right, images).proportion_ci(confidence_level=confidence, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_paired_interval_has_the_published_ends():
    """Airway reactivity before and after a transplantation: Fagerland, Lydersen and Laake 2014."""
    interval = paired_interval(1, 7, 21)
    assert interval.value == pytest.approx(-6 / 21)
    assert (interval.low, interval.high) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize(
    ("lost", "gained", "images"), [(0, 0, 50), (1, 0, 50), (0, 3, 40), (12, 14, 300), (5, 60, 70), (20, 0, 20)]
)
def test_paired_interval_ends_where_a_score_test_rejects(lost, gained, images):
    """The likeliest shares with a given difference are found by a search over all of them, not by Tango's formula."""

    def statistic(difference: float) -> float:
        def surprise(only_second: float) -> float:
            shares = (only_second + difference, only_second, 1 - 2 * only_second - difference)
            return -sum(
                xlogy(n, max(p, 0)) for n, p in zip((lost, gained, images - lost - gained), shares, strict=True)
            )

        bounds = (max(0.0, -difference), (1 - difference) / 2)
        q = minimize_scalar(surprise, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        variance = (2 * q + difference - difference**2) / images
        return ((lost - gained) / images - difference) / np.sqrt(variance)

    interval = paired_interval(lost, gained, images)
    ends = [end for end in (interval.low, interval.high) if abs(end) < 1]
    assert ends
    for end in ends:
        assert abs(statistic(end)) == pytest.approx(1.96, abs=0.002)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 500), st.sampled_from([0.95, 0.99]))
def test_paired_interval_contains_the_difference_and_is_symmetric(lost, gained, others, confidence):
    images = lost + gained + others + 1
    interval = paired_interval(lost, gained, images, confidence=confidence)
    assert -1 <= interval.low <= interval.value == (lost - gained) / images <= interval.high <= 1
    assert interval.high - interval.low > 0
    swapped = paired_interval(gained, lost, images, confidence=confidence)
    assert (swapped.low, swapped.high) == pytest.approx((-interval.high, -interval.low), abs=1e-12)


def test_paired_interval_of_no_change_is_wilsons():
    assert paired_interval(0, 0, 50).high == pytest.approx(wilson_interval(0, 50).high)
    assert paired_interval(0, 0, 50).low == -paired_interval(0, 0, 50).high


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 500), st.sampled_from([0.95, 0.99]))
def test_paired_images_needed_is_where_the_upper_end_is_the_limit(lost, gained, others, confidence):
    images = lost + gained + others + 1
    limit = paired_interval(lost, gained, images, confidence=confidence).high
    options = {"limit": limit, "confidence": confidence, "power": 0.5}
    assert paired_images_needed(lost, gained, images, **options) == pytest.approx(images, rel=1e-6)
    more = paired_images_needed(10 * lost, 10 * gained, 10 * images, **options)
    assert more == pytest.approx(images, rel=1e-6)


@pytest.mark.parametrize(("lost", "gained"), [(0.004, 0.003), (0.02, 0.021), (0.01, 0.0)])
def test_paired_images_needed_are_enough_with_the_probability_that_was_asked_for(lost, gained):
    limit = lost - gained + 0.01
    images = round(paired_images_needed(round(1e6 * lost), round(1e6 * gained), 1_000_000, limit=limit))
    draws = np.random.default_rng(0).multinomial(images, (lost, gained, 1 - lost - gained), 500).tolist()
    proven = sum(paired_interval(won, other, images).high <= limit for won, other, _ in draws)
    assert proven / 500 == pytest.approx(0.8, abs=0.06)


def test_images_for_margin_is_the_usual_sample_size():
    """(1.96 + 0.84)^2 sigma^2 / delta^2."""
    assert images_for_margin(0.5, 2.0, 2.0) == pytest.approx(((1.95996 + 0.84162) * 4) ** 2, rel=1e-4)
    assert images_for_margin(0, 2.0, 2.0) == images_for_margin(float("nan"), 2.0, 2.0) == np.inf


def test_paired_images_needed_is_infinite_from_the_limit_on():
    assert paired_images_needed(4, 0, 400, limit=0.01) == np.inf
    assert paired_images_needed(5, 0, 400, limit=0.01) == np.inf


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


@pytest.mark.parametrize(("wins", "is_proven"), [(5, False), (6, True)])
def test_simultaneous_intervals_of_one_comparison_agree_with_the_sign_test(wins, is_proven):
    (interval,) = simultaneous_intervals(np.repeat([1.0, 0.0], [wins, 100 - wins])[:, None])
    assert (interval.value, interval.low > 0) == (wins / 100, is_proven)
    assert (sign_test(wins, 0) <= 0.05) is is_proven


def test_simultaneous_intervals_exclude_0_in_5_of_100_sets_without_an_effect():
    rng, excluded, excluded_alone = np.random.default_rng(0), 0, 0
    for _ in range(200):
        alike = rng.choice([-1.0, 0.0, 1.0], (150, 1), p=[0.05, 0.9, 0.05])
        own = rng.choice([-1.0, 0.0, 1.0], (150, 10), p=[0.05, 0.9, 0.05])
        differences = np.where(rng.random((150, 10)) < 0.5, alike, own)
        excluded += any(i.low > 0 or i.high < 0 for i in simultaneous_intervals(differences))
        excluded_alone += any(i.low > 0 or i.high < 0 for i in map(mean_interval, differences.T))
    assert 2 <= excluded <= 16
    assert excluded_alone > 50


def test_simultaneous_intervals_are_wider_only_for_comparisons_that_differ():
    one = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], (300, 1), p=[0.1, 0.7, 0.2])
    others = np.random.default_rng(1).choice([-1.0, 0.0, 1.0], (300, 20), p=[0.2, 0.6, 0.2])
    (alone,) = simultaneous_intervals(one)
    assert [i.low for i in simultaneous_intervals(np.hstack([one] * 5))] == pytest.approx([alone.low] * 5, rel=1e-4)
    assert simultaneous_intervals(np.hstack([one, others]))[0].low < alone.low - 0.01
    usual = mean_interval(one)
    assert alone.high - alone.low == pytest.approx(usual.high - usual.low, rel=0.06)
    assert simultaneous_intervals(np.zeros((3, 2))) == (Interval(value=0, low=0, high=0),) * 2
