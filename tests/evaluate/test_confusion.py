"""Figures of each class, compared with scikit-learn's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from made_peers import assert_confused_as_scikit_learn

from edgekit.evaluate.confusion import confused_pairs, never_predicted


@given(st.integers(2, 12), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_class_metrics_agree_with_scikit_learn(classes, images, seed):
    rng = np.random.default_rng(seed)
    assert_confused_as_scikit_learn(rng.integers(0, classes, images), rng.integers(0, classes, images), classes)


def test_class_metrics_of_a_thousand_classes_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 1000, 3000)
    assert_confused_as_scikit_learn(truth, np.where(rng.random(3000) < 0.8, truth, rng.integers(0, 1000, 3000)), 1000)


def test_confused_pairs_start_with_the_most_frequent():
    matrix = np.array([[9, 2, 0], [5, 9, 1], [0, 2, 9]])
    assert [tuple(pair) for pair in confused_pairs(matrix)] == [(1, 0, 5), (0, 1, 2), (2, 1, 2), (1, 2, 1)]
    assert confused_pairs(np.eye(3, dtype=np.int64)) == ()


def test_never_predicted_names_classes_with_images_only():
    confusion = np.array([[5, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 3]])
    assert never_predicted(confusion, ["ok", "defect", "absent", "dirt"]) == "never predicted: 'defect' (2 images)"
    assert never_predicted(np.eye(2, dtype=np.int64), ["a", "b"]) is None
