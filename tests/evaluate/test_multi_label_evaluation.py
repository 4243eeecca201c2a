"""The metrics of multi-label models, and how they compare."""

import json

import numpy as np
import pytest
from made_models import LABELS, WEIGHT, tiny_model
from made_reports import random_images
from made_tags import THRESHOLDS, evaluated_tags, tagged_images, write_tags
from onnx import numpy_helper

from edgekit.dataset import ImageSet
from edgekit.errors import DataError, SpecError
from edgekit.evaluate import evaluate, evaluate_multi_label, measure_accuracy, predict_all


@pytest.fixture(scope="module")
def tags(tmp_path_factory):
    return write_tags(tmp_path_factory.mktemp("tags") / "tags.onnx")


@pytest.fixture(scope="module")
def images(tags):
    return tagged_images(tags, 60)


def with_weights(weights):
    model = tiny_model()
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(weights.astype(np.float32), "weight"))
    return model


def test_evaluate_multi_label_measures_what_an_application_would_get(tags, images):
    model = evaluated_tags(tags)
    evaluation = evaluate_multi_label(predict_all([model], images), data="noise")
    metrics = evaluation.models[0]
    predictions = [model.classifier.predict(source) for source in images.sources]
    given = [{score.label for score in prediction.labels} for prediction in predictions]
    assert metrics.assigned_labels() == given
    right = [len(ours & {LABELS[i] for i in truth}) for ours, truth in zip(given, images.label_sets, strict=True)]
    total = sum(len(ours) + len(truth) for ours, truth in zip(given, images.label_sets, strict=True))
    assert metrics.micro_f1 == pytest.approx(2 * sum(right) / total)
    assert metrics.mean_average_precision.value == measure_accuracy(model.classifier, images).value
    assert [row.threshold for row in metrics.classes] == list(THRESHOLDS)
    document = json.loads(json.dumps(evaluation.to_dict()))
    assert (document["task"], document["images"]) == ("multi-label", 60)
    assert document["models"][0]["classes"][1]["threshold"] == 0.3


def test_mistakes_are_wrong_decisions_farthest_from_the_threshold_first(tags, images):
    metrics = evaluate_multi_label(predict_all([evaluated_tags(tags)], images), data="noise").models[0]
    truth, cutoffs = images.truth(), metrics.accuracy.scoring.cutoffs
    distances = [abs(m.probability - cutoffs[m.label]) for m in metrics.mistakes]
    assert distances == sorted(distances, reverse=True)
    assert len(distances) == min(24, int((metrics.accuracy.assigned != truth).sum()))
    for mistake in metrics.mistakes:
        assert mistake.missed == truth[mistake.image, mistake.label]
        assert mistake.missed == (mistake.probability <= cutoffs[mistake.label])


def test_models_are_compared_by_the_names_of_their_labels(tags, images, tmp_path):
    thresholds = THRESHOLDS[::-1]
    path = write_tags(tmp_path / "b.onnx", with_weights(WEIGHT[:, ::-1]), labels=LABELS[::-1], thresholds=thresholds)
    noise = np.random.default_rng(7).normal(0, 0.1, WEIGHT.shape)
    worse = write_tags(tmp_path / "c.onnx", with_weights(WEIGHT + noise))
    models = [evaluated_tags(tags), evaluated_tags(path, "reversed"), evaluated_tags(worse, "worse")]
    same, other = evaluate_multi_label(predict_all(models, images), data="noise").comparisons
    assert (same.flipped, same.verdict) == ((), "no significant difference")
    assert abs(same.gain.value) < 1e-6
    assert (other.verdict, other.gain.high < 0) == ("worse", True)
    assert other.flipped


def test_images_and_models_must_have_the_same_task(tags, images, tiny_artifact):
    single = evaluated_tags(tiny_artifact)
    with pytest.raises(DataError, match="the images are multi-label, but the model is single-label; it needs one"):
        predict_all([single], images)
    with pytest.raises(DataError, match="are single-label, but the model is multi-label; it needs a table with the"):
        predict_all([evaluated_tags(tags)], random_images(8))
    with pytest.raises(SpecError, match=r"are multi-label; use edgekit\.evaluate\.evaluate_multi_label"):
        evaluate(predict_all([evaluated_tags(tags)], images), data="noise")
    with pytest.raises(SpecError, match=r"are single-label; use edgekit\.evaluate\.evaluate"):
        evaluate_multi_label(predict_all([single], random_images(8)), data="noise")


def test_images_without_any_label_are_refused(tags, images):
    empty = ImageSet(images.classes, images.sources[:3], images.names[:3], (), ((), (), ()))
    with pytest.raises(DataError, match="none of the 3 images has a label"):
        predict_all([evaluated_tags(tags)], empty)
