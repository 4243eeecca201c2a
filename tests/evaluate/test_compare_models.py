"""Comparison of two models that agree, that differ, and that cannot be compared."""

import numpy as np
import onnx
import pytest
from made_models import LABELS, WEIGHT, tiny_model, write_tiny
from made_tags import write_tags
from onnx import numpy_helper

from edgekit import Classifier
from edgekit.dataset import ImageSet
from edgekit.errors import DataError, QualityGateError
from edgekit.evaluate.compare_models import compare_models, require_agreement


@pytest.fixture(scope="module")
def images() -> ImageSet:
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (12, 14, 3)).astype(np.uint8) for _ in range(20)]
    return ImageSet((), arrays, tuple(f"p{i}" for i in range(20)), (0,) * 20)


NOISE = np.random.default_rng(7).normal(0, 0.05, WEIGHT.shape)


def with_weights(weights: np.ndarray) -> onnx.ModelProto:
    model = tiny_model()
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(weights.astype(np.float32), "weight"))
    return model


def test_compare_models_matches_labels_in_any_order(tiny_artifact, images, tmp_path):
    reversed_labels = write_tiny(tmp_path / "reversed.onnx", with_weights(WEIGHT[:, ::-1]), labels=LABELS[::-1])
    comparison = compare_models(Classifier(tiny_artifact), Classifier(reversed_labels), images)
    assert (comparison.images, comparison.agreement, comparison.flips) == (20, 1.0, ())
    assert comparison.probability_difference < 1e-5
    require_agreement(comparison, tolerance=0, max_difference=1e-5)


def test_compare_models_finds_the_images_with_other_labels(tiny_artifact, images, tmp_path):
    changed = write_tiny(tmp_path / "changed.onnx", with_weights(WEIGHT + NOISE))
    first, second = Classifier(tiny_artifact), Classifier(changed)
    comparison = compare_models(first, second, images)
    predictions = [[c.predict(source) for c in (first, second)] for source in images.sources]
    expected = [f"p{i}" for i, (a, b) in enumerate(predictions) if a.label != b.label]
    assert [flip.image for flip in comparison.flips] == expected
    assert 0 < len(expected) < 20
    differences = [np.abs(a.probabilities - b.probabilities).max() for a, b in predictions]
    assert comparison.probability_difference == max(differences)
    assert comparison.most_different == f"p{int(np.argmax(differences))}"
    assert comparison.to_dict()["flips"][0]["image"] == expected[0]


def test_require_agreement_checks_both_tolerances(tiny_artifact, images, tmp_path):
    changed = write_tiny(tmp_path / "changed.onnx", with_weights(WEIGHT + NOISE))
    comparison = compare_models(Classifier(tiny_artifact), Classifier(changed), images)
    share = len(comparison.flips) / 20
    require_agreement(comparison, tolerance=share)
    with pytest.raises(QualityGateError, match=f"{len(comparison.flips)} of 20 labels differ .* `tolerance`"):
        require_agreement(comparison, tolerance=share - 0.01)
    with pytest.raises(QualityGateError, match=r"a probability differs .* `max_difference`"):
        require_agreement(comparison, tolerance=1, max_difference=comparison.probability_difference / 2)


def test_compare_models_names_labels_that_only_one_model_has(tiny_artifact, images, tmp_path):
    other = write_tiny(tmp_path / "other.onnx", labels=("red", "green", "blue", "white"))
    with pytest.raises(DataError, match="only in the first model: 'black'; only in the second model: 'white'"):
        compare_models(Classifier(tiny_artifact), Classifier(other), images)


def test_compare_models_matches_duplicate_labels_only_in_the_same_order(images, tmp_path):
    labels = ("crane", "green", "blue", "crane")
    first = Classifier(write_tiny(tmp_path / "first.onnx", labels=labels))
    assert compare_models(first, first, images).agreement == 1
    reordered = Classifier(write_tiny(tmp_path / "reordered.onnx", labels=("blue", "crane", "green", "crane")))
    with pytest.raises(DataError, match="several labels"):
        compare_models(first, reordered, images)


def test_compare_models_leaves_out_unreadable_images_and_names_them(tiny_artifact, images):
    broken = ImageSet((), [b"no image", *images.sources[:3]], ("broken", "a", "b", "c"), (0,) * 4)
    model = Classifier(tiny_artifact)
    comparison = compare_models(model, model, broken)
    assert (comparison.images, comparison.unreadable) == (3, ("broken",))
    with pytest.raises(DataError, match="none of the 1 images can be read"):
        compare_models(model, model, broken.subset([0]))


def test_compare_models_compares_the_sets_of_labels_of_multi_label_models(images, tmp_path):
    first, second = write_tags(tmp_path / "a.onnx"), write_tags(tmp_path / "b.onnx", thresholds=(0.6, 0.3, 0.7, 0.5))
    comparison = compare_models(Classifier(first), Classifier(second), images)
    pairs = [[Classifier(path).predict(source).labels for path in (first, second)] for source in images.sources]
    changed = [name for name, (ours, theirs) in zip(images.names, pairs, strict=True) if ours != theirs]
    assert [flip.image for flip in comparison.flips] == changed != []
    flip, (ours, theirs) = comparison.flips[0], pairs[images.names.index(changed[0])]
    assert (flip.first, flip.second) == (ours, theirs)
    assert [entry["label"] for entry in flip.to_dict()["first"]] == [score.label for score in ours]
    assert comparison.probability_difference == 0


def test_compare_models_refuses_models_of_different_tasks(tiny_artifact, images, tmp_path):
    with pytest.raises(DataError, match=r"the same task can be compared \(got single-label and multi-label\)"):
        compare_models(Classifier(tiny_artifact), Classifier(write_tags(tmp_path / "a.onnx")), images)
