"""Accuracy and cost of crop plans."""

import numpy as np
import pytest
from made_images import noise
from made_models import LABELS

from edgekit import Classifier
from edgekit.errors import DataError
from edgekit.evaluate.compare_crops import (
    CropPredictions,
    PlanScore,
    better_fixed,
    fit_plan,
    predict_crops,
    recommended,
    score_plans,
)
from edgekit.evaluate.fit_adaptive_crops import cumulative_predictions
from edgekit.evaluate.intervals import Interval
from edgekit.preprocess.adaptive_crops import VIEW_RULES
from edgekit.preprocess.crops import PLANS, plan_named

NAMES = tuple(VIEW_RULES)


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


def test_cumulative_predictions_are_those_of_the_classifier(classifier, images, predictions):
    plan = fit_plan(predictions, np.arange(10) % len(LABELS), budget=1.5)
    cumulative = cumulative_predictions(
        predictions.logits[:, [NAMES.index(name) for name in plan.view_names]], plan.temperature
    )
    best, used = cumulative.stopped_at(plan.margin)
    expected = [classifier.predict(image, plan=plan) for image in images]
    assert best.tolist() == [prediction.top[0].index for prediction in expected]
    assert used.tolist() == [prediction.views for prediction in expected]


def test_score_plans_pairs_images_and_scores_budgets_on_held_out_halves(predictions):
    truth = predictions.by_plan["ten"]
    scores = score_plans(predictions, truth, budgets=(1.0, 2.0), halves=3)
    by_name = {(score.plan, score.budget): score for score in scores}
    center, ten = by_name["center", None], by_name["ten", None]
    assert ten.right == 1
    assert (ten.over_ten, ten.views, center.time) == (Interval(value=0, low=0, high=0), 10, 1)
    assert center.over_ten.value == pytest.approx(center.right - 1)
    assert center.over_ten.low <= center.over_ten.value <= center.over_ten.high
    cheapest = by_name["adaptive", 1.0]
    # With a budget of one view, the fit does not matter.
    assert (cheapest.views, cheapest.time, cheapest.right) == (1, 1, center.right)
    assert scores == score_plans(predictions, truth, budgets=(1.0, 2.0), halves=3)
    assert by_name["adaptive", 2.0].to_dict()["over_ten"]["mean"] == by_name["adaptive", 2.0].over_ten.value


def test_score_plans_never_scores_images_that_it_fitted_to():
    """With random logits and a random truth, the held-out accuracy is that of chance."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (400, len(NAMES), 4)).astype(np.float32)
    truth = rng.integers(0, 4, 400)
    first = logits.argmax(axis=2)[:, 0]
    predictions = CropPredictions(
        logits, {"center": first, "ten": first}, {"center": 1.0, "ten": 10.0}, first, 5.0, 4.0
    )
    scores = score_plans(predictions, truth, budgets=(2.0,), halves=10)
    assert scores[-1].right == pytest.approx(0.25, abs=0.06)


def score(budget: float | None, right: float, *, ten: float = 0.9) -> PlanScore:
    over_center = Interval(value=right - 0.8, low=right - 0.82, high=right - 0.78)  # the standard error is 0.01
    over_ten = Interval(value=right - ten, low=-1, high=1)
    return PlanScore(
        plan="adaptive" if budget else "ten",
        budget=budget,
        views=budget or 10,
        time=budget or 10,
        right=right,
        over_center=over_center,
        over_ten=over_ten,
    )


def test_recommended_is_the_cheapest_plan_that_is_as_accurate_as_ten_crops():
    scores = [score(None, 0.9), score(1.1, 0.80), score(1.5, 0.90), score(1.25, 0.90), score(2, 0.91)]
    assert recommended(scores).budget == 1.25
    assert recommended([score(None, 0.95), score(1.1, 0.89), score(1.25, 0.89), score(1.5, 0.88)]).budget == 1.1


def test_better_fixed_requires_a_clear_gain():
    than = score(1.5, 0.90)
    assert better_fixed([score(None, 0.93), than], than) == score(None, 0.93)
    assert better_fixed([score(None, 0.915), than], than) is None


def test_too_few_images_are_rejected(classifier, predictions):
    with pytest.raises(DataError, match="no images"):
        predict_crops(classifier, [], [PLANS["center"]])
    with pytest.raises(DataError, match="3 images are too few"):
        score_plans(predictions, np.zeros(3, np.int64), budgets=(1.5,), halves=1)
