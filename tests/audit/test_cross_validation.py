"""Cross-validated predictions: scikit-learn's discriminant analysis, copies in one fold, calibration."""

import numpy as np
import pytest
from sklearn.covariance import empirical_covariance, shrunk_covariance
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from edgekit.audit import cross_validation
from edgekit.audit.cross_validation import (
    assign_folds,
    judge_classes,
    judge_distances,
    judge_labels,
    judged_classes,
    principal_components,
)


def clusters(count: int = 300, classes: int = 3, seed: int = 0):
    """Draw points of overlapping classes in 6 dimensions."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centers = rng.normal(0, 1.5, (classes, 6))
    mixing = rng.normal(0, 1, (6, 6))
    return (centers[labels] + rng.normal(0, 1, (count, 6)) @ mixing).astype(np.float32), labels


def folds_of(labels, seed: int = 0):
    return assign_folds(np.arange(len(labels)), labels, seed=seed)


@pytest.mark.parametrize("shrinkage", [0.01, 0.3, 0.9])
def test_judge_classes_agrees_with_discriminant_analysis_of_scikit_learn(monkeypatch, shrinkage):
    monkeypatch.setattr(cross_validation, "_SHRINKAGES", (shrinkage,))
    points, labels = clusters()
    folds = folds_of(labels)
    ours = judge_classes(points, labels, folds, classes=3)
    logs = np.empty((len(labels), 3))
    for fold in range(5):
        train = folds != fold
        means = np.stack([points[train][labels[train] == c].mean(axis=0) for c in range(3)])
        within = empirical_covariance(points[train] - means[labels[train]], assume_centered=True)
        peer = LinearDiscriminantAnalysis(
            solver="lsqr", covariance_estimator=_Fixed(shrunk_covariance(within, shrinkage))
        )
        logs[~train] = peer.fit(points[train], labels[train]).predict_log_proba(points[~train])
    np.testing.assert_array_equal(ours.probabilities.argmax(axis=1), logs.argmax(axis=1))
    # Ours differ by one temperature, the same for all.
    log_ratio = np.log(ours.probabilities[:, 0] / ours.probabilities[:, 1])
    expected = logs[:, 0] - logs[:, 1]
    near = np.abs(expected) < 20
    np.testing.assert_allclose(log_ratio[near] / expected[near], np.median(log_ratio / expected), rtol=1e-3)


class _Fixed:
    """A covariance that is known; scikit-learn fits one for each class and averages them."""

    def __init__(self, covariance):
        self.covariance_ = covariance

    def fit(self, points):
        return self


def test_judge_classes_is_calibrated_also_with_overconfident_scores():
    points, labels = clusters(1200)
    probabilities = judge_classes(points, labels, folds_of(labels), classes=3).probabilities
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    assert confidence.mean() == pytest.approx(right.mean(), abs=0.03)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_assign_folds_keeps_copies_together_and_spreads_classes():
    labels = np.arange(100) % 4
    groups = np.arange(100) // 2 * 2
    folds = assign_folds(groups, labels, seed=3)
    assert (folds[::2] == folds[1::2]).all()
    counts = np.bincount(folds)
    assert counts.tolist() == [20] * 5
    assert (assign_folds(groups, labels, seed=3) == folds).all()
    assert not (assign_folds(groups, labels, seed=4) == folds).all()


def test_judged_classes_need_two_different_images():
    labels = np.array([0, 0, 0, 1, 1, 2, 2])
    groups = np.array([0, 1, 2, 3, 3, 5, 6])  # the two images of class 1 are copies
    folds = assign_folds(groups, labels, seed=0)
    assert judged_classes(labels, folds, classes=4).tolist() == [True, False, True, False]


def test_judge_labels_agrees_with_logistic_regression_of_scikit_learn():
    points, labels = clusters(600)
    truth = np.stack([labels == 0, labels != 2], axis=1)
    probabilities = judge_labels(points, truth, folds_of(labels)).probabilities
    for n in range(2):
        peer = LogisticRegression().fit(points, truth[:, n]).predict_proba(points)[:, 1]
        assert np.abs(probabilities[:, n] - peer).mean() < 0.06
        assert probabilities[:, n].mean() == pytest.approx(truth[:, n].mean(), abs=0.02)


def test_distances_are_greatest_for_what_no_image_resembles():
    points, labels = clusters(200)
    points[17] += 40
    folds = folds_of(labels)
    assert judge_distances(points, folds).argmax() == 17
    assert judge_classes(points, labels, folds, classes=3).distances.argmax() == 17


def test_principal_components_keep_distances_of_standardized_features():
    features = np.random.default_rng(0).normal(0, [1, 10, 100, 0], (50, 4)).astype(np.float32)
    points = principal_components(features)
    standardized = features[:, :3] / features[:, :3].std(axis=0)
    expected = np.linalg.norm(standardized[0] - standardized[1])
    assert points.shape == (50, 3)
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("count", [10, 40])
def test_judgments_of_equal_images_are_finite(count):
    points = principal_components(np.ones((count, 7), np.float32))
    labels = np.arange(count) % 2
    judgment = judge_classes(points, labels, folds_of(labels), classes=2)
    assert np.isfinite(judgment.probabilities).all()
    assert np.isfinite(judgment.distances).all()


def test_a_class_without_images_has_probability_zero():
    points, labels = clusters(60)
    probabilities = judge_classes(points, labels, folds_of(labels), classes=4).probabilities
    assert probabilities[:, 3].max() < 1e-9
