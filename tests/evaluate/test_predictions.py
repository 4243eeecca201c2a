"""Predictions of several models for the same images, some of which cannot be read."""

import numpy as np
import pytest
from made_models import LABELS, write_tiny
from made_reports import evaluated_model, random_images

from edgekit.dataset import ImageSet
from edgekit.errors import DataError
from edgekit.evaluate.predictions import predict_all
from edgekit.preprocess.scores import softmax, with_temperature


def test_predict_all_leaves_a_broken_image_out_for_all_models(tiny_artifact):
    images = random_images(6)
    images.sources[2] = b"not an image"
    calls = []
    models = (evaluated_model(tiny_artifact), evaluated_model(tiny_artifact, "ten", "tiny, ten"))
    predictions = predict_all(models, images, on_image=lambda: calls.append(1))
    assert [image.name for image in predictions.unreadable] == ["p2"]
    assert predictions.images.names == ("p0", "p1", "p3", "p4", "p5")
    assert len(calls) == 12
    for model, accuracy in zip(models, predictions.accuracies, strict=True):
        assert accuracy.truth.tolist() == [0, 1, 3, 0, 1]
        sources = predictions.images.sources
        expected = [model.classifier.predict(source, plan=model.crops).probabilities for source in sources]
        np.testing.assert_array_equal(accuracy.probabilities, expected)


def test_predict_all_applies_the_temperature_unless_not_calibrated(tmp_path):
    path, images = write_tiny(tmp_path / "warm.onnx", temperature=2.5), random_images(5)
    model = evaluated_model(path)
    plain = np.stack([softmax(model.classifier.predict(source).logits) for source in images.sources])
    calibrated = predict_all([model], images).accuracies[0]
    np.testing.assert_allclose(calibrated.probabilities, with_temperature(plain, 2.5))
    np.testing.assert_array_equal(calibrated.uncalibrated, plain)
    uncalibrated = predict_all([model], images, calibrated=False).accuracies[0]
    np.testing.assert_array_equal(uncalibrated.probabilities, plain)
    assert uncalibrated.uncalibrated is None


def test_predict_all_rejects_a_set_without_readable_images(tiny_artifact):
    images = ImageSet(LABELS, [b"x", b"y"], ("a", "b"), (0, 1))
    with pytest.raises(DataError, match="none of the 2 images"):
        predict_all([evaluated_model(tiny_artifact)], images)


@pytest.mark.slow
def test_metrics_of_real_predictions_agree_with_scikit_learn(shared):
    from made_peers import assert_calibrated_as_scikit_learn, assert_confused_as_scikit_learn

    from edgekit import dataset
    from edgekit.hub.built_in import built_in_models

    images = dataset.read(shared / "data/mnist", "val").sample(1500, seed=0)
    model = evaluated_model(built_in_models()["lenet5-mnist"])
    accuracy = predict_all([model], images).accuracies[0]
    assert_calibrated_as_scikit_learn(accuracy.truth, accuracy.probabilities)
    assert_confused_as_scikit_learn(accuracy.truth, accuracy.probabilities.argmax(axis=1), 10)
