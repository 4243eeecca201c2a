"""Probabilities and labels of both tasks."""

import numpy as np
import pytest
from scipy.special import expit

from edgekit.errors import SpecError
from edgekit.preprocess.adaptive_crops import margins
from edgekit.preprocess.scores import softmax
from edgekit.preprocess.scoring import SINGLE_LABEL, Scoring

MULTI_LABEL = Scoring(task="multi-label", thresholds=(0.5, 0.2, 0.9))


def test_probabilities_are_the_softmax_or_the_sigmoids():
    logits = np.array([[0.0, 3.0, -1.0], [900.0, -900.0, 2.5]], np.float32)
    np.testing.assert_array_equal(SINGLE_LABEL.probabilities(logits), softmax(logits))
    np.testing.assert_allclose(MULTI_LABEL.probabilities(logits), expit(logits.astype(np.float64)), rtol=1e-12)


def test_assigned_is_the_best_class_or_every_class_above_its_threshold():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.6, 0.6, 0.6], [0.1, 0.2, 0.9]])
    assert SINGLE_LABEL.assigned(probabilities).tolist() == [[True, False, False]] * 2 + [[False, False, True]]
    assert MULTI_LABEL.assigned(probabilities).tolist() == [[False, True, False], [True, True, False], [False] * 3]
    assert Scoring(task="multi-label").assigned(probabilities[1]).tolist() == [True, True, True]


def test_lead_is_that_over_the_second_class_or_over_the_other_decision():
    probabilities = np.array([[0.7, 0.25, 0.05], [0.1, 0.1, 0.8]])
    np.testing.assert_array_equal(SINGLE_LABEL.lead(probabilities), margins(probabilities))
    np.testing.assert_allclose(MULTI_LABEL.lead(probabilities), [0.1, 0.2])
    assert Scoring(task="multi-label").lead(np.array([0.52, 1.0])) == pytest.approx(0.04)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": "multilabel"}, "unknown task 'multilabel'; did you mean multi-label"),
        ({"thresholds": (0.5,)}, r"`thresholds` need the task 'multi-label' \(got 'single-label'\)"),
        ({"task": "multi-label", "thresholds": [0.5]}, r"`thresholds` must be a tuple \(got \[0.5\]\)"),
        *(
            ({"task": "multi-label", "thresholds": (0.5, value)}, "`thresholds` must be numbers between 0 and 1")
            for value in (0.0, 1.0, -0.1, float("nan"), 1, True, "0.5")
        ),
    ],
)
def test_scoring_refuses_what_is_not_possible(values, message):
    with pytest.raises(SpecError, match=message):
        Scoring(**values)
