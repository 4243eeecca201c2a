"""Differences between the logits of two models."""

import numpy as np
import pytest
from scipy.special import expit, logit

from edgekit.errors import ArtifactError, ParityError
from edgekit.evaluate.parity import compare_logits, divergence, measure_parity, require_parity
from edgekit.preprocess.scoring import Scoring

PIXELS = np.zeros((2, 4, 4, 3), np.uint8)


def constant_logits(*rows):
    return lambda pixels: np.array(rows, np.float32)


def test_measure_parity_reports_the_largest_differences():
    parity = measure_parity(constant_logits([4.0, 0.0], [0.0, 2.0]), constant_logits([4.0, 0.5], [0.0, 2.0]), PIXELS)
    assert parity.images == 2
    assert parity.logit_difference == 0.5
    assert parity.relative_difference == 0.125
    assert parity.agreement == 1
    expected = 1 / (1 + np.exp(-4.0)) - 1 / (1 + np.exp(-3.5))
    assert parity.probability_difference == pytest.approx(expected)


def test_measure_parity_rejects_logits_of_another_shape():
    with pytest.raises(ArtifactError, match=r"output has shape \(4,\), its parent's \(2, 2\)"):
        measure_parity(constant_logits([4.0, 0.0], [0.0, 2.0]), lambda pixels: np.zeros(4, np.float32), PIXELS)


def test_measure_parity_counts_equal_labels_as_agreement():
    assert measure_parity(constant_logits([1, 0], [1, 0]), constant_logits([1, 0], [0, 1]), PIXELS).agreement == 0.5


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_require_parity_never_accepts_nan_or_infinity(value):
    parity = measure_parity(constant_logits([1, 0], [1, 0]), constant_logits([1, 0], [value, 0]), PIXELS)
    with pytest.raises(ParityError):
        require_parity(parity, step="test", tolerance=1e9)


def test_parity_to_dict_rounds_up():
    parity = measure_parity(constant_logits([1, 0], [1, 0]), constant_logits([1.01234, 0], [1, 0]), PIXELS)
    assert parity.logit_difference <= parity.to_dict()["logit_difference"] == pytest.approx(0.013)


def test_divergence_follows_its_definition():
    first, second = np.log([[0.5, 0.25, 0.25]]), np.log([[0.25, 0.5, 0.25]])
    assert divergence(first, second) == pytest.approx(0.5 * np.log(2) + 0.25 * np.log(0.5))
    assert divergence(first, first + 3) == pytest.approx(0, abs=1e-12)


MULTI_LABEL = Scoring(task="multi-label", thresholds=(0.5, 0.9))


def test_compare_logits_of_multi_label_models_compares_the_sets_of_labels():
    """Sigmoid of 2 is 0.88, below 0.9; of 3, 0.95."""
    parent, child = np.array([[1.0, 2.0], [1.0, 2.0], [-1.0, 3.0]]), np.array([[2.0, 2.0], [1.0, 3.0], [-1.0, 4.0]])
    parity = compare_logits(parent, child, scoring=MULTI_LABEL)
    assert parity.agreement == pytest.approx(2 / 3)
    assert parity.probability_difference == pytest.approx(expit(2) - expit(1))
    assert compare_logits(parent, child).agreement == pytest.approx(2 / 3)


def test_divergence_of_multi_label_models_is_the_sum_over_the_classes():
    """Two images: KL of a coin with 1/2 from one with 1/4 is (log 2 + log 2/3) / 2; equal coins add nothing."""
    expected, logits = np.zeros((2, 3)), np.array([[logit(0.25), 0, 0], [logit(0.25), logit(0.25), 0]])
    one = 0.5 * np.log(2) + 0.5 * np.log(2 / 3)
    assert divergence(expected, logits, scoring=MULTI_LABEL) == pytest.approx(1.5 * one)
    assert divergence(logits, logits, scoring=MULTI_LABEL) == pytest.approx(0, abs=1e-12)
