"""Average precision and F1 scores, compared with numbers worked out by hand and with scikit-learn."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, f1_score, precision_recall_fscore_support

from edgekit.evaluate.multi_label import MultiLabelAccuracy, average_precisions
from edgekit.preprocess.scoring import Scoring

# Ranked by probability, the images of class a are wrong, right, wrong, right: (1/2 + 2/4) / 2 = 0.5. Those of b are
# right, right, wrong, wrong: 1. Class c has no image, and the two probabilities of d tie: 1 of 2 right, then 1 of 4.
TRUTH = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]], bool)
PROBABILITIES = np.array([[0.7, 0.9, 0.1, 0.5], [0.9, 0.2, 0.1, 0.5], [0.1, 0.6, 0.9, 0.4], [0.3, 0.1, 0.2, 0.1]])
LABELS = ("a", "b", "c", "d")


def accuracy(truth=TRUTH, probabilities=PROBABILITIES, thresholds=None) -> MultiLabelAccuracy:
    return MultiLabelAccuracy(truth, probabilities, Scoring(task="multi-label", thresholds=thresholds))


def random_accuracy(images: int, classes: int, *, seed: int = 0, noise: float = 0.3) -> MultiLabelAccuracy:
    rng = np.random.default_rng(seed)
    truth = rng.random((images, classes)) < 0.3
    return accuracy(truth, np.clip(truth * 0.4 + 0.3 + rng.normal(0, noise, truth.shape), 0, 1).round(2))


def test_average_precision_of_known_rankings():
    np.testing.assert_allclose(average_precisions(TRUTH, PROBABILITIES), [[0.5, 1.0, np.nan, 0.5]])
    assert accuracy().value == pytest.approx((0.5 + 1 + 0.5) / 3)


def test_figures_of_known_decisions():
    """At 0.5, a is given to images 0 and 1 (one right of two), b to 0 and 2, c to 2, and d, at exactly 0.5, to none."""
    rows = accuracy().classes(LABELS)
    assert [(row.images, row.predicted) for row in rows] == [(2, 2), (2, 2), (0, 1), (1, 0)]
    assert [(row.precision, row.recall, row.f1) for row in rows] == [
        *((0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (0.0, None, 0.0), (None, 0.0, 0.0)),
    ]
    assert [row.average_precision for row in rows] == [0.5, 1.0, None, 0.5]
    assert accuracy().micro_f1 == pytest.approx(2 * 3 / (5 + 5))
    expected = {"images": 4, "map": 0.666667, "micro_f1": 0.6, "macro_f1": 0.5}
    assert accuracy().to_dict() == expected


def test_thresholds_change_the_decisions_but_not_map():
    lower = accuracy(thresholds=(0.5, 0.5, 0.95, 0.45))
    assert lower.value == accuracy().value
    assert [row.predicted for row in lower.classes(LABELS)] == [2, 2, 0, 2]
    assert [row.threshold for row in lower.classes(LABELS)] == [0.5, 0.5, 0.95, 0.45]


# Few different values, so that there are many ties.
@given(
    arrays(np.bool_, (12, 3)).filter(lambda truth: truth.any(axis=0).all()),
    arrays(np.float64, (12, 3), elements=st.sampled_from([0.1, 0.25, 0.5, 0.75, 1.0])),
)
@settings(max_examples=60)
def test_figures_agree_with_scikit_learn(truth, probabilities):
    ours = accuracy(truth, probabilities)
    areas = [average_precision_score(truth[:, c], probabilities[:, c]) for c in range(3)]
    np.testing.assert_allclose(average_precisions(truth, probabilities)[0], areas, rtol=1e-12)
    assert ours.value == pytest.approx(average_precision_score(truth, probabilities, average="macro"))
    decided = probabilities > 0.5
    figures = precision_recall_fscore_support(truth, decided, zero_division=0)
    rows = ours.classes(("a", "b", "c"))
    for name, column in zip(("precision", "recall", "f1"), figures, strict=False):
        np.testing.assert_allclose([getattr(row, name) or 0.0 for row in rows], column)
    assert ours.micro_f1 == pytest.approx(f1_score(truth, decided, average="micro", zero_division=0))


def test_weights_count_an_image_as_often_as_it_is_repeated():
    model, weights = random_accuracy(30, 3), np.random.default_rng(1).integers(0, 4, (5, 30))
    repeated = [
        average_precisions(model.truth.repeat(row, axis=0), model.probabilities.repeat(row, axis=0))[0]
        for row in weights
    ]
    np.testing.assert_allclose(average_precisions(model.truth, model.probabilities, weights), repeated, rtol=1e-12)


def test_interval_covers_the_map_of_more_images_of_the_same_kind():
    """The intervals of 20 sets of 200 images: at least 17 have the map of 20,000 images inside."""
    true_value = random_accuracy(20_000, 2, seed=99).value
    intervals = [random_accuracy(200, 2, seed=seed).interval() for seed in range(20)]
    assert sum(interval.low <= true_value <= interval.high for interval in intervals) >= 17
    assert all(interval.low < interval.value < interval.high for interval in intervals)


def test_drop_is_paired():
    """A model that is a little worse everywhere: the paired interval is much narrower than those of the two models."""
    first = random_accuracy(300, 3)
    worse = first.probabilities + np.random.default_rng(2).normal(0, 0.03, first.probabilities.shape)
    second = accuracy(first.truth, worse)
    drop, alone = first.drop(second), first.interval()
    assert drop.value == pytest.approx(100 * (first.value - second.value))
    assert drop.low < drop.value < drop.high
    assert drop.high - drop.low < 0.5 * 100 * (alone.high - alone.low)
    same = first.drop(first)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    permuted = accuracy(first.truth[:, ::-1], worse[:, ::-1])  # the other model may have its labels in another order
    assert first.drop(permuted).low == pytest.approx(drop.low)


def test_threshold_figures_are_those_of_the_measured_images():
    model = random_accuracy(40, 3)
    measured = np.arange(40) < 25
    part = accuracy(model.truth[:25], model.probabilities[:25]).to_dict()
    assert model.threshold_figures(measured) == {
        "f1_images": 25,
        **{name: part[name] for name in ("micro_f1", "macro_f1")},
    }
    assert model.threshold_figures(np.zeros(40, bool)) == {}
