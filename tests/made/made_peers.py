"""Comparison of evaluation metrics with those of scikit-learn."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix as theirs
from sklearn.metrics import f1_score, log_loss, precision_recall_fscore_support

from edgekit.evaluate.calibration import calibration
from edgekit.evaluate.confusion import class_metrics, confusion_matrix, macro_f1


def assert_calibrated_as_scikit_learn(truth, probabilities):
    ours = calibration(truth, probabilities)
    correct, top_probability = probabilities.argmax(axis=1) == truth, probabilities.max(axis=1)
    accuracy, confidence = calibration_curve(correct, top_probability, n_bins=15)
    bins = [each for each in ours.bins if each.images]
    np.testing.assert_allclose([each.accuracy for each in bins], accuracy, rtol=1e-12)
    np.testing.assert_allclose([each.confidence for each in bins], confidence, rtol=1e-12)
    weights = np.array([each.images for each in bins]) / len(truth)
    assert sum(each.images for each in bins) == len(truth)
    assert ours.ece == pytest.approx(float((weights * np.abs(accuracy - confidence)).sum()), rel=1e-9)
    assert ours.nll == pytest.approx(log_loss(truth, probabilities, labels=range(probabilities.shape[1])), rel=1e-9)


def nan(value):
    return np.nan if value is None else value


def assert_confused_as_scikit_learn(truth, predicted, classes):
    matrix = confusion_matrix(truth, predicted, classes=classes)
    indexes = range(classes)
    assert matrix.tolist() == theirs(truth, predicted, labels=indexes).tolist()
    rows = class_metrics(matrix, tuple(map(str, indexes)))
    expected = precision_recall_fscore_support(truth, predicted, labels=indexes, zero_division=np.nan)
    for name, values in zip(("precision", "recall", "f1", "images"), expected, strict=True):
        np.testing.assert_allclose([nan(getattr(row, name)) for row in rows], values, rtol=1e-12)
    present = np.unique(truth)
    assert macro_f1(rows) == pytest.approx(f1_score(truth, predicted, labels=present, average="macro"))
