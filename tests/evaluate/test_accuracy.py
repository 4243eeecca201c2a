"""Accuracy from file to label, classes matched by name."""

import numpy as np
import pytest
from made_models import LABELS

from edgekit import Classifier
from edgekit.dataset import PictureSet
from edgekit.errors import DataError
from edgekit.evaluate.accuracy import Accuracy, matched_labels, measure_accuracy


def pictures(classes: tuple[str, ...], labels: tuple[int, ...]) -> PictureSet:
    rng = np.random.default_rng(0)
    sources = [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in labels]
    return PictureSet(classes, sources, tuple(f"picture {n}" for n in range(len(labels))), labels)


def test_top_k_counts_and_breaks_ties_by_index():
    accuracy = Accuracy(
        np.array([0, 1, 2, 2]), np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5], [0.5, 0.3, 0.2]])
    )
    assert accuracy.top1 == 0.5
    assert accuracy.top(2) == 0.75
    assert accuracy.top(3) == 1
    assert accuracy.to_dict() == {"pictures": 4, "top1": 0.5, "top5": 1.0}


def test_measures_what_the_classifier_answers(tiny_artifact):
    classifier = Classifier(tiny_artifact)
    asked = pictures(LABELS, (0, 1, 2, 3, 0))
    answers = [classifier.predict(source).top[0].index for source in asked.sources]
    seen = []
    accuracy = measure_accuracy(classifier, asked, on_picture=lambda: seen.append(1))
    assert accuracy.top1 == np.mean([a == t for a, t in zip(answers, asked.labels, strict=True)])
    assert len(seen) == 5


def test_classes_are_matched_by_name_whatever_their_order():
    truth = matched_labels(pictures(("blue", "red"), (0, 1, 0)), LABELS)
    assert truth.tolist() == [LABELS.index("blue"), LABELS.index("red"), LABELS.index("blue")]


def test_equal_names_keep_their_indexes():
    twice = ("crane", "dog", "crane")  # ImageNet has two classes of this name
    assert matched_labels(pictures(twice, (0, 1, 2)), twice).tolist() == [0, 1, 2]


def test_a_class_that_the_model_does_not_know_is_named():
    with pytest.raises(DataError, match="only in the images: 'cat'; only in the model: "):
        matched_labels(pictures(("cat", "red"), (0,)), LABELS)


def test_no_pictures_are_refused():
    with pytest.raises(DataError, match="no pictures"):
        matched_labels(pictures(LABELS, ()), LABELS)
