"""Several models that predict as one."""

import dataclasses

import numpy as np
import pytest
from made_images import encoded, noise
from made_models import LABELS, tiny_info, tiny_model, write_tiny
from onnx import numpy_helper

from edgekit import Classifier, EdgekitError, Ensemble, Preprocess, SpecError

IMAGE = encoded(noise(90, 70), "JPEG")
ORDER = [2, 0, 3, 1]  # of the second model's labels


@pytest.fixture(scope="module")
def members(tmp_path_factory) -> tuple[Classifier, Classifier]:
    """The tiny model, and one of other weights, another size and the labels in another order."""
    folder, model = tmp_path_factory.mktemp("members"), tiny_model()
    weight = np.random.default_rng(9).normal(0, 0.1, (8 * 10 * 3, len(LABELS))).astype(np.float32)
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(weight, "weight"))
    spec = dataclasses.replace(tiny_info().preprocess, resize=16)
    second = write_tiny(folder / "b.onnx", model, labels=tuple(LABELS[n] for n in ORDER), preprocess=spec)
    return Classifier(write_tiny(folder / "a.onnx"), exact=True), Classifier(second, exact=True)


def by_name(prediction) -> dict[str, float]:
    return {score.label: score.probability for score in prediction.top}


@pytest.mark.parametrize("weights", [None, (1, 1), (3, 1), (0.25, 0.75)])
def test_predict_averages_probabilities_by_label_with_the_weights(members, weights):
    ours, theirs = (by_name(member.predict(IMAGE, plan="five")) for member in members)
    prediction = Ensemble(members, weights=weights).predict(IMAGE, plan="five")
    first, second = weights or (1, 1)
    expected = {label: (first * ours[label] + second * theirs[label]) / (first + second) for label in LABELS}
    assert by_name(prediction) == pytest.approx(expected)
    assert prediction.views == 10
    assert [LABELS[n] for n in np.argsort(-prediction.probabilities)] == [score.label for score in prediction.top]


def test_average_logits_averages_the_members_logits(members):
    prediction = Ensemble(members).predict(IMAGE, average="logits")
    first, second = (member.predict(IMAGE).logits for member in members)
    mean = (first + second[[ORDER.index(n) for n in range(len(LABELS))]]) / 2
    np.testing.assert_allclose(prediction.logits, mean, atol=1e-6)
    shares = np.exp(mean - mean.max())
    np.testing.assert_allclose(prediction.probabilities, shares / shares.sum(), atol=1e-6)


def test_ensemble_of_one_predicts_as_its_member(members):
    alone, member = Ensemble(members[:1]), members[0]
    assert alone.predict(IMAGE) == member.predict(IMAGE)


def test_gray_and_color_networks_share_an_image(tmp_path, members):
    gray = Preprocess(color="L", resize=12, crop=(8, 10), mean=0.5, std=0.5)
    model = tiny_model()
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 1
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(np.ones((80, len(LABELS)), np.float32), "weight"))
    member = Classifier(write_tiny(tmp_path / "gray.onnx", model, preprocess=gray), exact=True)
    prediction = Ensemble([member, members[0]]).predict(IMAGE)
    expected = (member.predict(IMAGE).probabilities + members[0].predict(IMAGE).probabilities) / 2
    np.testing.assert_allclose(prediction.probabilities, expected, atol=1e-6)


def test_ensemble_lists_labels_that_only_one_member_has(tmp_path, members):
    other = Classifier(write_tiny(tmp_path / "other.onnx", labels=("red", "green", "blue", "white")))
    with pytest.raises(
        SpecError, match="only in the first model: 'black'; only in another model of the ensemble: 'white'"
    ):
        Ensemble([members[0], other])


def test_ensemble_accepts_a_repeated_label_only_in_the_same_order(tmp_path):
    twice = [
        Classifier(write_tiny(tmp_path / f"{number}.onnx", labels=labels))
        for number, labels in enumerate([("crane", "dog", "crane", "cat"), ("dog", "crane", "crane", "cat")])
    ]
    assert Ensemble([twice[0], twice[0]]).predict(IMAGE).label in twice[0].labels
    with pytest.raises(SpecError, match="several labels"):
        Ensemble(twice)


@pytest.mark.parametrize(
    "weights",
    [(1,), (1, 0), (1, -1), (1, float("nan")), (1, float("inf")), (), "21", 2, ("2", "1"), (None, 1), [[1], [2]]],
    ids=repr,
)
def test_ensemble_rejects_invalid_weights(members, weights):
    with pytest.raises(SpecError, match="`weights`"):
        Ensemble(members, weights=weights)


@pytest.mark.parametrize("wrong", [[], None, 3, "a.onnx", ["a.onnx"], [None]], ids=repr)
def test_ensemble_rejects_members_that_are_no_classifiers(wrong):
    with pytest.raises(SpecError, match="`members` must be a list of at least one Classifier"):
        Ensemble(wrong)


def test_ensemble_rejects_a_single_classifier(members):
    with pytest.raises(SpecError, match="`members`"):
        Ensemble(members[0])


def test_repr_of_an_ensemble_names_its_networks(members):
    assert repr(Ensemble(members)) == "<Ensemble of 2 models: 'tiny', 'tiny'; 4 labels>"
    assert repr(Ensemble(members[:1])) == "<Ensemble of 1 model: 'tiny'; 4 labels>"


def test_close_closes_the_members(tiny_artifact):
    member = Classifier(tiny_artifact)
    with Ensemble([member]) as ensemble:
        ensemble.warmup()
    with pytest.raises(EdgekitError, match="closed"):
        member.predict(IMAGE)
