"""Adaptive crops fitted to drawn logits."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from edgekit.evaluate.fit_adaptive_crops import cumulative_predictions, fit_adaptive_plan
from edgekit.evaluate.temperature import fit_temperature
from edgekit.preprocess.adaptive_crops import VIEW_RULES
from edgekit.preprocess.scores import softmax

NAMES = tuple(VIEW_RULES)


def random_logits(seed: int, *, images: int = 60, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits (images, views, classes), and a truth drawn from softmax(logits of the first view / scale)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (images, len(NAMES), 5))
    truth = np.array([rng.choice(5, p=shares) for shares in softmax(logits[:, 0] / scale)])
    return logits.astype(np.float32), truth


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_fit_temperature_finds_the_temperature_of_the_truth(scale):
    logits, truth = random_logits(0, images=20_000, scale=scale)
    target_logits = (logits[:, 0] * np.eye(5)[truth]).sum(axis=1)
    assert fit_temperature(logits[:, 0], target_logits) == pytest.approx(scale, rel=0.05)


def test_fit_adaptive_plan_chooses_the_view_that_predicts_the_truth_first():
    logits, truth = random_logits(1)
    best = NAMES.index("wide-mirrored")
    logits[:, best] = 4 * np.eye(5)[truth]
    plan = fit_adaptive_plan(logits, truth, NAMES, max_views=4, budget=1.5)
    assert plan.view_names[:2] == ("center", "wide-mirrored")
    assert len(fit_adaptive_plan(logits, truth, NAMES, max_views=2, budget=1.5)) == 2


def test_fit_adaptive_plan_without_the_truth_follows_the_consensus():
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 2, (60, 1, 5)) + rng.normal(0, 1, (60, len(NAMES), 5))  # all views agree, apart from noise
    logits[:, NAMES.index("end")] = 9 * np.eye(5)[rng.integers(0, 5, 60)]  # confident of a random class
    plan = fit_adaptive_plan(logits, None, NAMES, max_views=4, budget=1.5)
    assert len(plan.view_names) == 4
    assert "end" not in plan.view_names


def test_fit_adaptive_plan_leaves_out_views_that_add_nothing():
    logits, truth = random_logits(2)
    logits[:] = logits[:, :1]
    plan = fit_adaptive_plan(logits, truth, NAMES, max_views=4, budget=1.5)
    assert (plan.view_names, plan.curve) == (("center",), ((1.0, 0.0),))


@given(st.integers(0, 99))
@settings(max_examples=20)
def test_fit_adaptive_plan_keeps_the_budget_on_the_images_it_was_fitted_to(seed):
    logits, truth = random_logits(seed)
    plan = fit_adaptive_plan(logits, truth, NAMES, max_views=4, budget=1.0)
    order = [NAMES.index(name) for name in plan.view_names]
    cumulative = cumulative_predictions(logits[:, order], plan.temperature)
    for budget in (1, 1.1, 1.5, 2, 3, 9):
        used = cumulative.stopped_at(plan.with_budget(budget).margin)[1].mean()
        # Between two measured margins, it may use as many views as the next one, never more.
        assert used <= min((views for views, _ in plan.curve if views >= budget), default=plan.curve[-1][0]) + 1e-4
        assert used >= max((views for views, _ in plan.curve if views <= budget), default=1) - 1e-4


def test_cumulative_predictions_stop_where_the_plan_does():
    logits, truth = random_logits(3)
    plan = fit_adaptive_plan(logits, truth, NAMES, max_views=4, budget=2.0)
    order = [NAMES.index(name) for name in plan.view_names]
    best, used = cumulative_predictions(logits[:, order], plan.temperature).stopped_at(plan.margin)
    for image in range(len(truth)):
        rows = logits[image, order]
        count = next((n for n in range(1, len(order)) if plan.is_sure(rows[:n])), len(order))
        assert used[image] == count
        assert best[image] == plan.probabilities(rows[:count]).argmax()
