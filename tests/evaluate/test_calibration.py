"""Calibration compared with scikit-learn's reliability curve."""

import numpy as np
import pytest
from made_peers import assert_calibrated_as_scikit_learn
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from edgekit.evaluate.calibration import calibration, expected_calibration_error
from edgekit.evaluate.temperature import fit_temperature
from edgekit.preprocess.scores import softmax


def draw_predictions(images=2000, classes=7, sharpness=3.0, seed=0):
    """Truth and logits of a model that is calibrated at sharpness 1 and overconfident above."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (images, classes))
    truth = np.array([rng.choice(classes, p=p) for p in softmax(logits)])
    return truth, logits * sharpness


@pytest.mark.parametrize("sharpness", [0.3, 1, 3])
def test_calibration_agrees_with_scikit_learn(sharpness):
    truth, logits = draw_predictions(sharpness=sharpness)
    assert_calibrated_as_scikit_learn(truth, softmax(logits))


@pytest.mark.parametrize("sharpness", [0.3, 1, 3])
def test_calibration_finds_the_temperature_that_minimizes_nll(sharpness):
    truth, logits = draw_predictions(sharpness=sharpness)

    def nll(temperature):
        return -log_softmax(logits / temperature, axis=1)[np.arange(len(truth)), truth].mean()

    measured = calibration(truth, softmax(logits))
    best = minimize_scalar(nll, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-7})
    assert measured.temperature == pytest.approx(best.x, rel=1e-3)
    assert measured.temperature == pytest.approx(sharpness, rel=0.1)
    assert measured.scaled_nll <= measured.nll + 1e-12
    assert measured.scaled_ece < 0.04


def test_expected_calibration_error_is_that_of_the_measured_calibration():
    truth, logits = draw_predictions()
    assert expected_calibration_error(truth, softmax(logits)) == calibration(truth, softmax(logits)).ece


def test_calibration_of_certain_wrong_predictions_is_finite():
    measured = calibration(np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert np.isfinite([measured.nll, measured.scaled_nll, measured.temperature]).all()
    assert measured.ece == pytest.approx(0.5)
    logs = np.log([[0.1, 0.9], [0.2, 0.8]])
    assert fit_temperature(logs, logs[:, 1]) == pytest.approx(0.05, rel=1e-3)
