"""Thresholds with the highest F1 score of each class."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from made_models import tiny_info
from scipy.special import logit
from sklearn.metrics import f1_score

from edgekit.evaluate.temperature import with_fitted_temperature
from edgekit.evaluate.thresholds import fit_thresholds, with_fitted_scoring


def unexpected(warning: str) -> None:
    pytest.fail(warning)


def test_fit_thresholds_of_known_rankings():
    """Best: the first two images of a; the first of b, between 0.9 and 0.4; c has no image, and every image of d is."""
    truth = np.array([[1, 1, 0, 1], [1, 0, 0, 1], [0, 0, 0, 1]], bool)
    probabilities = np.array([[0.9, 0.9, 0.1, 0.9], [0.4, 0.4, 0.1, 0.4], [0.1, 0.3, 0.1, 0.2]])
    assert fit_thresholds(truth, probabilities) == (0.25, 0.65, 0.5, 0.1)


@given(
    arrays(np.bool_, 15).filter(lambda truth: truth.any()),
    arrays(np.float64, 15, elements=st.integers(0, 20).map(lambda n: n / 20)),
)
@settings(max_examples=60)
def test_fit_thresholds_find_the_best_of_all_thresholds(truth, scores):
    (threshold,) = fit_thresholds(truth[:, None], scores[:, None])
    assert 0 < threshold < 1
    every = [f1_score(truth, scores > cut, zero_division=0) for cut in np.linspace(0, 1, 41)[:-1] + 0.0125]
    assert f1_score(truth, scores > threshold, zero_division=0) == pytest.approx(max(every))


def test_with_fitted_scoring_fits_thresholds_or_a_temperature():
    rng = np.random.default_rng(0)
    truth = rng.random((120, 4)) < 0.4
    logits = logit(np.clip(truth * 0.5 + 0.1 + rng.normal(0, 0.1, truth.shape), 0.01, 0.99))
    info = with_fitted_scoring(tiny_info(task="multi-label"), logits, truth, on_warning=unexpected)
    assert info.thresholds == fit_thresholds(truth, info.scoring.probabilities(logits))
    assert info.thresholds_fit == {"images": 120, "maximizes": "F1 of each class"}
    assert all(0.2 < threshold < 0.6 for threshold in info.thresholds)
    classes = np.where(rng.random(120) < 0.6, logits.argmax(axis=1), rng.integers(0, 4, 120))
    fitted = with_fitted_scoring(tiny_info(), logits, classes, on_warning=unexpected)
    assert fitted == with_fitted_temperature(tiny_info(), logits, classes, on_warning=unexpected)


def test_thresholds_are_not_fitted_to_fewer_than_100_images():
    info, warnings = tiny_info(task="multi-label"), []
    assert with_fitted_scoring(info, np.zeros((99, 4)), np.ones((99, 4), bool), on_warning=warnings.append) is info
    assert warnings == ["no thresholds were fitted: only 99 images can be read, and it takes 100"]
