"""Crop plans are recommended if they are better on images that took no part in the choice, and only then."""

from dataclasses import replace

import numpy as np
import pytest

from edgekit.errors import DataError
from edgekit.evaluate import compare_crops
from edgekit.evaluate.compare_crops import CropComparison, compare_plans
from edgekit.evaluate.crop_predictions import CropPredictions
from edgekit.evaluate.intervals import mean_interval
from edgekit.preprocess.adaptive_crops import VIEW_RULES
from edgekit.preprocess.scores import softmax

NAMES = tuple(VIEW_RULES)
PLANS = {"center": ("center",), "flip": ("center", "center-mirrored"), "wide": ("wide",), "all": NAMES}
BUDGETS = (1.1, 1.25, 1.5, 2.0)
CLASSES = 5


def random_views(seed: int, *, images: int, gain: float = 0.0) -> tuple[CropPredictions, np.ndarray]:
    """Predictions of noisy views, and the truth. Six of ten images are easy, the others in doubt.

    A further view brings an image in doubt closer to the class that it leans to. Half of these lean to the truth and as
    many against it, so that no plan is better than another, apart from the share `gain` of all images.
    """
    rng = np.random.default_rng(seed)
    truth, kinds, every = rng.integers(0, CLASSES, images), rng.random(images), np.arange(images)
    lean = np.where(kinds < 0.6, 6.0, np.where(kinds < 0.8 + gain, 0.7, -0.7))
    noisy = lean[:, None] + rng.normal(0, 1, (images, len(NAMES)))
    logits = np.full((images, len(NAMES), CLASSES), -4.0, np.float32)
    logits[every, :, truth] = noisy / 2
    logits[every, :, (truth + rng.integers(1, CLASSES, images)) % CLASSES] = -noisy / 2
    shares = softmax(logits)
    by_plan = {
        plan: shares[:, [NAMES.index(name) for name in views]].mean(axis=1).argmax(axis=1)
        for plan, views in PLANS.items()
    }
    views = {plan: float(len(views)) for plan, views in PLANS.items()}
    return CropPredictions(logits, by_plan, views, by_plan["all"], 5.0, 4.0), truth


def of_wins(images: int, **wins: int) -> tuple[CropPredictions, np.ndarray]:
    """Predictions of fixed plans, whose wins over the center crop begin at the first image; all views are alike."""
    truth = np.arange(images) % CLASSES
    center = (truth + 1) % CLASSES
    by_plan = {"center": center} | {
        plan: np.where(np.arange(images) < count, truth, center) for plan, count in wins.items()
    }
    views = {plan: float(number) for number, plan in enumerate(by_plan, start=1)}
    logits = np.repeat(np.eye(CLASSES, dtype=np.float32)[center][:, None], len(NAMES), axis=1)
    return CropPredictions(logits, by_plan, views, center, 5.0, 4.0), truth


def compared(made: tuple[CropPredictions, np.ndarray], *, halves: int = 2, seed: int = 0) -> CropComparison:
    return compare_plans(*made, budgets=BUDGETS, halves=halves, seed=seed)


@pytest.fixture(scope="module")
def without_effect() -> list[CropComparison]:
    return [compared(random_views(seed, images=120), seed=seed) for seed in range(80)]


def test_no_plan_is_recommended_in_19_of_20_sets_if_none_is_better(without_effect):
    assert sum(comparison.recommended is not None for comparison in without_effect) <= 4
    assert sum(comparison.choice.gain.low > 0 for comparison in without_effect) <= 4


def test_gain_of_the_choice_is_honest_where_that_of_the_best_plan_flatters(without_effect):
    honest = mean_interval([comparison.gain.value for comparison in without_effect])
    best = mean_interval([comparison.choice.gain.value for comparison in without_effect])
    assert honest.low < 0 < honest.high
    assert best.low > 0.005


def test_a_real_gain_is_found_and_is_that_of_other_images():
    comparisons = [compared(random_views(seed, images=300, gain=0.15), seed=seed) for seed in range(8)]
    found = [comparison.recommended for comparison in comparisons if comparison.recommended]
    assert len(found) >= 6
    assert all(score.plan != "wide" for score in found)  # one view of another kind gains nothing
    other, truth = random_views(100, images=20_000, gain=0.15)
    right = {plan: (indexes == truth).mean() for plan, indexes in other.by_plan.items()}
    gains = mean_interval([comparison.gain.value for comparison in comparisons])
    assert 0.01 < gains.value < right["all"] - right["center"] + 0.01


def test_compare_plans_never_judges_images_that_it_fitted_to():
    """With random logits and a random truth, the accuracy on other images is that of chance."""
    rng = np.random.default_rng(0)
    made, truth = random_views(0, images=400)
    logits = rng.normal(0, 1, made.logits.shape).astype(np.float32)
    first = logits[:, 0].argmax(axis=1)
    comparison = compared((replace(made, logits=logits, by_plan={"center": first}, views={"center": 1.0}), truth))
    assert [score.right for score in comparison.scores] == pytest.approx([1 / CLASSES] * 5, abs=0.06)


def test_compare_plans_chooses_on_the_half_that_does_not_judge(monkeypatch):
    calls, judge = [], compare_crops._Judge.__call__

    def recorded(self, images, *, fitted_to):
        calls.append((set(images.tolist()), set(fitted_to.tolist())))
        return judge(self, images, fitted_to=fitted_to)

    monkeypatch.setattr(compare_crops._Judge, "__call__", recorded)
    compared(random_views(0, images=40), halves=1)
    assert all(images.isdisjoint(fitted_to) for images, fitted_to in calls)
    for (judging, choosing), *nested in (calls[:3], calls[3:]):
        assert judging | choosing == set(range(40))
        assert [images | fitted_to for images, fitted_to in nested] == [choosing, choosing]


def test_compare_plans_pairs_the_images_and_knows_what_a_plan_costs():
    predictions, _ = random_views(3, images=60)
    made = predictions, predictions.by_plan["all"]
    comparison = compare_plans(*made, budgets=(1.0, 2.0), halves=3)
    scores = {score.name: score for score in comparison.scores}
    center, every, cheapest = scores["center"], scores["all"], scores["adaptive 1"]
    assert [score.name for score in comparison.scores] == [*PLANS, "adaptive 1", "adaptive 2"]
    assert (comparison.images, comparison.center_wrong) == (60, round(60 * (1 - center.right)))
    assert (center.gain.low, center.gain.high, center.time) == (0, 0, 1)
    assert (every.right, every.views, every.time) == (1, 12, 1 + 11 * 4 / 5)
    assert every.gain.value == pytest.approx(1 - center.right)
    # With a budget of one view, the fit does not matter.
    assert (cheapest.views, cheapest.time, cheapest.right) == (1, 1, center.right)
    assert 1 < scores["adaptive 2"].time < 1.9
    assert comparison == compare_plans(*made, budgets=(1.0, 2.0), halves=3)
    assert scores["flip"].to_dict()["gain"] == scores["flip"].gain.to_dict()


@pytest.mark.parametrize("halves", [1, 16])
def test_intervals_count_images_however_often_they_are_split(halves):
    predictions, truth = of_wins(200, five=30)
    comparison = compare_plans(predictions, truth, budgets=(), halves=halves)
    differences = (predictions.by_plan["five"] == truth).astype(float)
    expected = mean_interval(differences)
    assert (comparison.gain.low, comparison.gain.high) == pytest.approx((expected.low, expected.high))


def test_choice_is_the_cheapest_proven_plan_unless_another_is_measurably_better():
    assert compared(of_wins(100, flip=12, five=14)).recommended.plan == "flip"
    assert compared(of_wins(100, flip=12, five=30)).recommended.plan == "five"
    assert compared(of_wins(100, flip=3, five=12)).recommended.plan == "five"


def test_images_needed_are_about_those_that_prove_the_gain():
    few = of_wins(100, flip=4)
    comparison = compared(few)
    assert (comparison.recommended, comparison.choice.plan, comparison.can_prove) == (None, "flip", True)
    assert comparison.images_needed == 150  # 6 wins
    times = comparison.images_needed / 100
    assert compared(of_wins(round(100 * times), flip=round(4 * times))).recommended.plan == "flip"
    assert compared(of_wins(100)).images_needed is None
    assert compared(of_wins(100, flip=50)).images_needed is None


def test_comparison_knows_if_the_center_crop_leaves_too_few_images_to_win():
    predictions, truth = of_wins(100, flip=5)
    solved = {plan: np.where(np.arange(100) < 5, indexes, truth) for plan, indexes in predictions.by_plan.items()}
    comparison = compared((replace(predictions, by_plan=solved), truth))
    assert (comparison.center_wrong, comparison.can_prove, comparison.recommended) == (5, False, None)
    assert comparison.images_needed >= 120


def test_center_is_chosen_if_no_plan_gains_anything():
    comparison = compared(of_wins(50, flip=0))
    assert (comparison.choice.plan, comparison.recommended, comparison.images_needed) == ("center", None, None)


def test_compare_plans_rejects_too_few_images():
    with pytest.raises(DataError, match="7 images are too few"):
        compared(random_views(0, images=7))
    assert compared(random_views(0, images=8)).recommended is None


def test_no_plan_is_recommended_without_both_proofs():
    comparison = compared(of_wins(200, wide=20))
    gain = comparison.gain
    assert comparison.recommended is comparison.choice
    assert replace(comparison, gain=replace(gain, low=0.0)).recommended is None
    choice = replace(comparison.choice, gain=replace(comparison.choice.gain, low=0.0))
    assert replace(comparison, choice=choice).recommended is None


def test_no_plan_is_recommended_without_labels():
    predictions, _ = random_views(0, images=300)
    comparison = compared((predictions, None))
    assert comparison.choice.gain.low > 0  # more views come closer to the consensus of all
    assert comparison.gain.low > 0
    assert (comparison.recommended, comparison.images_needed, comparison.is_labeled) == (None, None, False)
