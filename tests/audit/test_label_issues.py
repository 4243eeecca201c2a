"""Confident learning: the rule worked out by hand, for single labels and for sets of labels."""

import numpy as np
import pytest

from edgekit.audit.label_issues import rank_classes, rank_label_sets


def test_rank_classes_disputes_a_label_by_the_usual_probability_of_another():
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9]])
    labels = np.array([0, 0, 0, 1, 1])  # usual: class 0 (0.9 + 0.7 + 0.2) / 3 = 0.6, class 1 (0.6 + 0.9) / 2 = 0.75
    issues = rank_classes(probabilities, labels, np.arange(5) + 10)
    assert [issue.image for issue in issues] == [12, 13, 11, 10, 14]
    assert [issue.is_suspicious for issue in issues] == [True, False, False, False, False]
    assert issues[0] == (12, (0,), (1,), 0.2, 0.8, True)
    assert issues[1].likely == (1,)


def test_rank_classes_never_suggests_a_class_without_images():
    probabilities = np.array([[0.5, 0.1, 0.4], [0.2, 0.7, 0.1], [0.45, 0.05, 0.5]])
    issues = rank_classes(probabilities, np.array([0, 1, 0]), np.arange(3))
    assert not any(issue.is_suspicious for issue in issues)


def test_rank_classes_disputes_what_the_paper_counts_off_the_diagonal():
    """Equation 1 of arXiv 1911.00068, written as a loop."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    probabilities = rng.dirichlet(np.ones(4), 400)
    probabilities[np.arange(400), labels] += 1
    probabilities /= 2
    probabilities[:60] = np.roll(probabilities[:60], 1, axis=1)
    thresholds = np.array([probabilities[labels == c, c].mean() for c in range(4)])
    expected = 0
    for row, label in zip(probabilities, labels, strict=True):
        above = [c for c in range(4) if row[c] >= thresholds[c]]
        expected += bool(above) and max(above, key=lambda c: row[c]) != label
    issues = rank_classes(probabilities, labels, np.arange(400))
    assert sum(issue.is_suspicious for issue in issues) == expected > 20
    assert [issue.probability for issue in issues] == sorted(issue.probability for issue in issues)


def test_rank_label_sets_names_the_missing_and_the_wrong_label():
    truth = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 1], [0, 0]], bool)
    right = np.where(truth, 0.9, 0.1)
    right[0, 0] = 0.05  # has a wrong label
    right[3, 0] = 0.97  # lacks one
    issues = rank_label_sets(right, truth, np.arange(6))
    assert issues[0][:3] == (3, (1,), (0, 1))
    assert issues[1][:3] == (0, (0,), ())
    assert [issue.is_suspicious for issue in issues] == [True, True, False, False, False, False]
    assert issues[0].probability == pytest.approx(0.03)
    assert issues[0].likely_probability == pytest.approx(0.97)
    assert all(issue.labels == issue.likely for issue in issues[2:])


def test_rank_label_sets_does_not_judge_a_label_that_all_or_no_images_have():
    truth = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 1]], bool)
    probabilities = np.array([[0.01, 0.99, 0.9], [0.01, 0.99, 0.1], [0.01, 0.99, 0.9]])
    issues = rank_label_sets(probabilities, truth, np.arange(3))
    assert not any(issue.is_suspicious for issue in issues)
