"""Predictions by every view and plan."""

import numpy as np
import pytest
from made_images import noise
from made_models import LABELS

from edgekit import Classifier
from edgekit.errors import DataError
from edgekit.evaluate.compare_crops import fit_plan
from edgekit.evaluate.crop_predictions import CropPredictions, predict_crops
from edgekit.evaluate.fit_adaptive_crops import cumulative_predictions
from edgekit.preprocess.adaptive_crops import VIEW_RULES
from edgekit.preprocess.crops import PLANS, plan_named


@pytest.fixture(scope="module")
def classifier(tiny_artifact) -> Classifier:
    return Classifier(tiny_artifact, exact=True)


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return [np.asarray(noise(14 + n, 30)) for n in range(10)]


@pytest.fixture(scope="module")
def predictions(classifier, images) -> CropPredictions:
    plans = [plan_named(name) for name in ("center", "ten", "grid:2x3", "multi-scale")]
    return predict_crops(classifier, images, plans)


def test_predict_crops_predicts_every_plan_as_the_classifier_does(classifier, images, predictions):
    for name, indexes in predictions.by_plan.items():
        expected = [classifier.predict(image, plan=name) for image in images]
        assert indexes.tolist() == [prediction.top[0].index for prediction in expected]
        assert predictions.views[name] == np.mean([prediction.views for prediction in expected])
    assert 0 < predictions.further_ms <= predictions.first_ms


def test_predict_crops_has_the_logits_that_adaptive_crops_stop_by(classifier, images, predictions):
    plan = fit_plan(predictions, np.arange(10) % len(LABELS), budget=1.5)
    order = [tuple(VIEW_RULES).index(name) for name in plan.view_names]
    best, used = cumulative_predictions(predictions.logits[:, order], plan.temperature).stopped_at(plan.margin)
    expected = [classifier.predict(image, plan=plan) for image in images]
    assert best.tolist() == [prediction.top[0].index for prediction in expected]
    assert used.tolist() == [prediction.views for prediction in expected]


def test_predict_crops_rejects_no_images(classifier):
    with pytest.raises(DataError, match="no images"):
        predict_crops(classifier, [], [PLANS["center"]])
