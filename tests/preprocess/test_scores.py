"""From logits to scores."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from edgekit.preprocess.scores import Score, averaged, best, softmax, with_temperature

LOGITS = arrays(
    np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=st.floats(-(2.0**99), 2.0**99, width=32)
)


def test_softmax_computes_known_values():
    """exp(0), exp(ln 2), exp(ln 3) over their sum of 6."""
    np.testing.assert_allclose(softmax(np.log([[1, 2, 3]])), [[1 / 6, 2 / 6, 3 / 6]], rtol=1e-12)


@given(LOGITS)
def test_softmax_is_a_distribution_in_the_order_of_the_logits(logits):
    probabilities = softmax(logits)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-9)
    assert (probabilities >= 0).all()
    taken = np.take_along_axis(probabilities, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
    assert (taken == probabilities.max(axis=1)).all()


@given(LOGITS, st.floats(-100, 100))
def test_softmax_does_not_change_with_a_constant(logits, constant):
    logits = np.clip(logits.astype(np.float64), -50, 50)
    np.testing.assert_allclose(softmax(logits), softmax(logits + constant), atol=1e-9)


def test_softmax_does_not_change_its_argument():
    logits = np.ones((1, 3))
    softmax(logits)
    assert (logits == 1).all()


@given(LOGITS, st.floats(0.05, 20))
def test_with_temperature_divides_the_logits_of_one_view(logits, temperature):
    logits = np.clip(logits.astype(np.float64), -300, 300)
    np.testing.assert_allclose(
        with_temperature(softmax(logits), temperature), softmax(logits / temperature), rtol=1e-9, atol=1e-15
    )


@given(LOGITS, st.floats(0.05, 20))
def test_with_temperature_keeps_the_order_of_the_classes_of_a_mean_over_views(logits, temperature):
    mean = averaged(logits, "probabilities")
    scaled, labels = with_temperature(mean, temperature), tuple(map(str, range(len(mean))))
    ranks = [[score.index for score in best(p, labels, 9, tie_breaker=mean)] for p in (mean, scaled)]
    assert ranks[0] == ranks[1]
    np.testing.assert_allclose(scaled.sum(), 1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e300, 1.7976931348623157e308])
def test_with_temperature_stays_a_distribution_at_any_temperature(temperature):
    scaled = with_temperature(np.array([0.5, 0.3, 0.2, 0.0]), temperature)
    assert np.isfinite(scaled).all()
    assert scaled.sum() == pytest.approx(1)
    assert scaled[0] == pytest.approx(1 if temperature < 1 else 0.25)


def test_best_orders_ties_by_the_tie_breaker_and_then_by_index():
    probabilities, tie_breaker = np.array([0.0, 1.0, 0.0, 0.0]), np.array([1e-9, 0.9, 1e-5, 1e-9])
    assert [score.index for score in best(probabilities, ("a", "b", "c", "d"), 4, tie_breaker=tie_breaker)] == [
        1,
        2,
        0,
        3,
    ]


def test_best_sorts_by_probability_and_then_by_index():
    probabilities = np.array([0.2, 0.3, 0.2, 0.3])
    labels = ("a", "b", "c", "d")
    assert best(probabilities, labels, 3) == (Score("b", 1, 0.3), Score("d", 3, 0.3), Score("a", 0, 0.2))
    assert len(best(probabilities, labels, 100)) == 4


@given(arrays(np.float64, st.integers(1, 30), elements=st.sampled_from([0.0, 0.1, 0.2, 0.3])), st.integers(1, 30))
def test_best_finds_the_first_of_the_sorted_classes_among_ties(probabilities, top):
    tie_breaker = np.random.default_rng(len(probabilities)).integers(0, 3, len(probabilities)).astype(np.float64)
    order = sorted(range(len(probabilities)), key=lambda index: (-probabilities[index], -tie_breaker[index], index))
    labels = tuple(map(str, range(len(probabilities))))
    assert [s.index for s in best(probabilities, labels, top, tie_breaker=tie_breaker)] == order[:top]
