"""What crop plans give and cost, and adaptive crops fitted to it."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from made_models import LABELS
from made_pictures import noise

from edgekit import Classifier
from edgekit.errors import DataError
from edgekit.evaluate.calibration import fit_temperature
from edgekit.evaluate.compare_crops import PlanScore, Seen, better_fixed, compare, fit, look_at, recommended
from edgekit.evaluate.fit_adaptive_crops import fit_adaptive, stages
from edgekit.evaluate.intervals import Interval
from edgekit.preprocess.adaptive_crops import LOOKS
from edgekit.preprocess.crops import PLANS, plan_named
from edgekit.preprocess.scores import softmax

NAMES = tuple(LOOKS)


def drawn(seed: int, *, pictures: int = 60, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """(pictures, looks, classes) logits with noise, and the truth, which is as likely as softmax(logits / scale)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (pictures, len(NAMES), 5))
    truth = np.array([rng.choice(5, p=shares) for shares in softmax(logits[:, 0] / scale)])
    return logits.astype(np.float32), truth


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_the_temperature_is_that_of_the_truth(scale):
    logits, truth = drawn(0, pictures=20_000, scale=scale)
    own = (logits[:, 0] * np.eye(5)[truth]).sum(axis=1)
    assert fit_temperature(logits[:, 0], own) == pytest.approx(scale, rel=0.05)


def test_the_look_that_knows_the_truth_is_taken_first():
    logits, truth = drawn(1)
    knows = NAMES.index("wide-mirrored")
    logits[:, knows] = 4 * np.eye(5)[truth]
    plan = fit_adaptive(logits, truth, NAMES, most=4, budget=1.5)
    assert plan.looks[:2] == ("center", "wide-mirrored")
    assert len(fit_adaptive(logits, truth, NAMES, most=2, budget=1.5)) == 2


def test_without_the_truth_the_looks_lead_to_what_all_of_them_say():
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 2, (60, 1, 5)) + rng.normal(0, 1, (60, len(NAMES), 5))  # they see the same, each a little of
    logits[:, NAMES.index("end")] = 9 * np.eye(5)[rng.integers(0, 5, 60)]  # sure of anything
    plan = fit_adaptive(logits, None, NAMES, most=4, budget=1.5)
    assert len(plan.looks) == 4
    assert "end" not in plan.looks


def test_looks_that_say_nothing_new_are_not_taken():
    logits, truth = drawn(2)
    logits[:] = logits[:, :1]
    plan = fit_adaptive(logits, truth, NAMES, most=4, budget=1.5)
    assert (plan.looks, plan.curve) == (("center",), ((1.0, 0.0),))


@given(st.integers(0, 99))
@settings(max_examples=20)
def test_the_budget_is_kept_on_the_pictures_it_was_fitted_to(seed):
    logits, truth = drawn(seed)
    plan = fit_adaptive(logits, truth, NAMES, most=4, budget=1.0)
    order = [NAMES.index(name) for name in plan.looks]
    staged = stages(logits[:, order], plan.temperature)
    for budget in (1, 1.1, 1.5, 2, 3, 9):
        used = staged.at(plan.with_budget(budget).margin)[1].mean()
        # Between two measured margins it may take what the next one takes, never more.
        assert used <= min((looks for looks, _ in plan.curve if looks >= budget), default=plan.curve[-1][0]) + 1e-4
        assert used >= max((looks for looks, _ in plan.curve if looks <= budget), default=1) - 1e-4


def test_stages_are_the_plans_own_rule():
    logits, truth = drawn(3)
    plan = fit_adaptive(logits, truth, NAMES, most=4, budget=2.0)
    order = [NAMES.index(name) for name in plan.looks]
    best, used = stages(logits[:, order], plan.temperature).at(plan.margin)
    for picture in range(len(truth)):
        rows = logits[picture, order]
        count = next((n for n in range(1, len(order)) if plan.is_sure(rows[:n])), len(order))
        assert used[picture] == count
        assert best[picture] == plan.probabilities(rows[:count]).argmax()


@pytest.fixture(scope="module")
def seen(tiny_artifact) -> tuple[Classifier, list[np.ndarray], Seen]:
    classifier = Classifier(tiny_artifact, exact=True)
    pictures = [np.asarray(noise(14 + n, 30)) for n in range(10)]
    plans = [plan_named(name) for name in ("center", "ten", "grid:2x3", "multi-scale")]
    return classifier, pictures, look_at(classifier, pictures, plans)


def test_every_plan_is_answered_as_the_classifier_answers(seen):
    classifier, pictures, looked = seen
    for name, answers in looked.answers.items():
        predictions = [classifier.predict(picture, plan=name) for picture in pictures]
        assert answers.tolist() == [prediction.top[0].index for prediction in predictions]
        assert looked.views[name] == np.mean([prediction.views for prediction in predictions])
    assert 0 < looked.further_ms <= looked.first_ms


def test_adaptive_crops_are_answered_as_the_classifier_answers(seen):
    classifier, pictures, looked = seen
    truth = np.arange(10) % len(LABELS)
    plan = fit(looked, truth, budget=1.5)
    staged = stages(looked.logits[:, [NAMES.index(name) for name in plan.looks]], plan.temperature)
    best, used = staged.at(plan.margin)
    predictions = [classifier.predict(picture, plan=plan) for picture in pictures]
    assert best.tolist() == [prediction.top[0].index for prediction in predictions]
    assert used.tolist() == [prediction.views for prediction in predictions]


def test_scores_are_paired_and_budgets_judged_on_other_pictures(seen):
    looked, truth = seen[2], seen[2].answers["ten"]
    scores = compare(looked, truth, budgets=(1.0, 2.0), halves=3)
    by_name = {(score.plan, score.budget): score for score in scores}
    center, ten = by_name["center", None], by_name["ten", None]
    assert ten.right == 1
    assert (ten.over_ten, ten.views, center.time) == (Interval(value=0, low=0, high=0), 10, 1)
    assert center.over_ten.value == pytest.approx(center.right - 1)
    assert center.over_ten.low <= center.over_ten.value <= center.over_ten.high
    one = by_name["adaptive", 1.0]
    assert (one.views, one.time, one.right) == (1, 1, center.right)  # one look is one look, whatever was fitted
    assert scores == compare(looked, truth, budgets=(1.0, 2.0), halves=3)
    assert by_name["adaptive", 2.0].to_dict()["over_ten"]["mean"] == by_name["adaptive", 2.0].over_ten.value


def test_a_judge_never_saw_its_pictures_fitted():
    """Logits that say nothing, and a truth by chance: nothing can be learned, so held-out answers are no better."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (400, len(NAMES), 4)).astype(np.float32)
    truth = rng.integers(0, 4, 400)
    blind = logits.argmax(axis=2)[:, 0]
    looked = Seen(logits, {"center": blind, "ten": blind}, {"center": 1.0, "ten": 10.0}, blind, 5.0, 4.0)
    scores = compare(looked, truth, budgets=(2.0,), halves=10)
    assert scores[-1].right == pytest.approx(0.25, abs=0.06)


def score(budget: float | None, right: float, *, ten: float = 0.9) -> PlanScore:
    over_center = Interval(value=right - 0.8, low=right - 0.82, high=right - 0.78)  # a standard error of 0.01
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


def test_the_cheapest_that_is_as_good_as_ten_crops_is_recommended():
    scores = [score(None, 0.9), score(1.1, 0.80), score(1.5, 0.90), score(1.25, 0.90), score(2, 0.91)]
    assert recommended(scores).budget == 1.25
    assert recommended([score(None, 0.95), score(1.1, 0.89), score(1.25, 0.89), score(1.5, 0.88)]).budget == 1.1


def test_a_fixed_plan_that_is_clearly_better_is_named():
    than = score(1.5, 0.90)
    assert better_fixed([score(None, 0.93), than], than) == score(None, 0.93)
    assert better_fixed([score(None, 0.915), than], than) is None


def test_too_few_pictures_are_refused(seen):
    classifier = seen[0]
    with pytest.raises(DataError, match="no pictures"):
        look_at(classifier, [], [PLANS["center"]])
    with pytest.raises(DataError, match="3 pictures are too few"):
        compare(seen[2], np.zeros(3, np.int64), budgets=(1.5,), halves=1)
