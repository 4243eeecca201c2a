"""Accuracy from image file to label, with classes matched by name."""

import numpy as np
import pytest
from made_models import LABELS

from edgekit import Classifier
from edgekit.dataset import ImageSet
from edgekit.errors import DataError
from edgekit.evaluate.accuracy import Accuracy, class_indexes, measure_accuracy
from edgekit.evaluate.calibration import expected_calibration_error


def random_images(classes: tuple[str, ...], labels: tuple[int, ...]) -> ImageSet:
    rng = np.random.default_rng(0)
    sources = [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in labels]
    return ImageSet(classes, sources, tuple(f"image {n}" for n in range(len(labels))), labels)


def test_top_breaks_ties_by_class_index():
    accuracy = Accuracy(
        np.array([0, 1, 2, 2]), np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5], [0.5, 0.3, 0.2]])
    )
    assert accuracy.top1 == 0.5
    assert accuracy.top(2) == 0.75
    assert accuracy.top(3) == 1
    assert accuracy.to_dict() == {"images": 4, "top1": 0.5, "top5": 1.0}


def test_calibration_errors_are_those_of_the_measured_images():
    rng = np.random.default_rng(0)
    plain = Accuracy(rng.integers(0, 3, 60), rng.dirichlet((1, 1, 1), 60))
    assert plain.calibration_errors(np.ones(60, bool)) == {}
    scaled, measured = plain.with_temperature(0.5), np.arange(60) < 25
    assert scaled.calibration_errors(np.zeros(60, bool)) == {}
    part = Accuracy(plain.truth[:25], plain.probabilities[:25]).with_temperature(0.5)
    assert scaled.calibration_errors(measured) == {
        "ece_images": 25,
        "ece": round(expected_calibration_error(part.truth, part.probabilities), 4),
        "uncalibrated_ece": round(expected_calibration_error(part.truth, part.uncalibrated), 4),
    }
    assert scaled.to_dict() == plain.to_dict()  # a temperature changes no label


def test_measure_accuracy_counts_correct_predictions_of_the_classifier(tiny_artifact):
    classifier = Classifier(tiny_artifact)
    images = random_images(LABELS, (0, 1, 2, 3, 0))
    predicted = [classifier.predict(source).top[0].index for source in images.sources]
    calls = []
    accuracy = measure_accuracy(classifier, images, on_image=lambda: calls.append(1))
    assert accuracy.top1 == np.mean([p == t for p, t in zip(predicted, images.labels, strict=True)])
    assert len(calls) == 5


def test_class_indexes_match_names_in_any_order():
    truth = class_indexes(random_images(("blue", "red"), (0, 1, 0)), LABELS)
    assert truth.tolist() == [LABELS.index("blue"), LABELS.index("red"), LABELS.index("blue")]


def test_class_indexes_keep_the_order_of_equal_labels():
    twice = ("crane", "dog", "crane")  # ImageNet has two classes of this name
    assert class_indexes(random_images(twice, (0, 1, 2)), twice).tolist() == [0, 1, 2]


def test_class_indexes_list_the_names_that_only_one_side_has():
    with pytest.raises(DataError, match="only in the images: 'cat'; only in the model: "):
        class_indexes(random_images(("cat", "red"), (0,)), LABELS)
    with pytest.raises(DataError) as caught:
        class_indexes(random_images(("red", "green", "azure", "black"), (0, 1, 2, 3)), LABELS)
    assert "only in the images: 'azure'" in str(caught.value)
    assert "only in the model: 'blue'" in str(caught.value)
    assert str(caught.value).endswith("; rename the classes of the images")


def test_class_indexes_match_synonyms():
    images = random_images(("red", "green", "azure", "black"), (0, 1, 2, 3))
    assert class_indexes(images, LABELS, synonyms={"azure": "blue"}).tolist() == [0, 1, 2, 3]
    with pytest.raises(DataError, match="did you mean azure"):
        class_indexes(images, LABELS, synonyms={"azur": "blue"})
    with pytest.raises(DataError, match="did you mean blue"):
        class_indexes(images, LABELS, synonyms={"azure": "bluu"})


@pytest.mark.parametrize(("synonyms", "remedy"), [(None, "rename the classes"), ({}, "match names .* `synonyms`")])
def test_class_indexes_name_synonyms_only_where_there_are_some(synonyms, remedy):
    with pytest.raises(DataError, match=f"'a' may be 'A'; {remedy}"):
        class_indexes(random_images(("a", "b"), (0, 1)), ("A", "b"), synonyms=synonyms)


def test_class_indexes_reject_a_name_that_two_labels_share():
    with pytest.raises(DataError, match="several labels 'crane'"):
        class_indexes(random_images(("a", "crane", "b", "c"), (0, 1, 2, 3)), ("crane", "a", "b", "c", "crane"))


def test_class_indexes_reject_an_empty_set():
    with pytest.raises(DataError, match="no images"):
        class_indexes(random_images(LABELS, ()), LABELS)
