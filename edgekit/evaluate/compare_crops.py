"""Accuracy and cost of crop plans on a set of images: fixed plans, and adaptive crops for several budgets."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgekit.errors import DataError, SpecError
from edgekit.evaluate.fit_adaptive_crops import ClassIndexes, cumulative_predictions, fit_adaptive_plan
from edgekit.evaluate.intervals import Z_95, Interval, mean_interval
from edgekit.image.source import ImageSource
from edgekit.preprocess.adaptive_crops import VIEW_RULES, AdaptivePlan
from edgekit.preprocess.crops import CropPlan
from edgekit.preprocess.scores import softmax
from edgekit.runtime.classifier import Classifier

Shares: TypeAlias = npt.NDArray[np.float64]

BASELINES = ("center", "ten")
_MAX_VIEWS = 4
_MIN_IMAGES = 4
_ROUNDING = 1e-9  # error of a mean of differences that is 0


@dataclass(frozen=True, slots=True, eq=False)
class CropPredictions:
    """A model's predictions for each image, by every view and by every fixed plan.

    Attributes:
        logits: float32 (images, views, classes), for the views of `VIEW_RULES` in order.
        by_plan: int64 (images,) predicted class indexes for each fixed plan, by its name.
        views: mean number of distinct views per image, for each fixed plan.
        consensus: int64 (images,) class indexes predicted by the mean over all views, those of the plans included.
        first_ms: median time of a prediction with one view, in milliseconds.
        further_ms: median time of each further view, in milliseconds.
    """

    logits: npt.NDArray[np.float32]
    by_plan: dict[str, ClassIndexes]
    views: dict[str, float]
    consensus: ClassIndexes
    first_ms: float
    further_ms: float


def check_single_label(classifier: Classifier) -> None:
    """Raise SpecError for a multi-label model: plans are compared by the most probable class."""
    if classifier.info.task == "multi-label":
        raise SpecError(
            f"{classifier.name}: crop plans of a multi-label model are not compared here; evaluate it with each of them"
        )


def predict_crops(
    classifier: Classifier,
    sources: Sequence[ImageSource],
    plans: Sequence[CropPlan],
    *,
    on_image: Callable[[], None] = lambda: None,
) -> CropPredictions:
    """Run all views of the given plans, and those that adaptive plans choose from, on every image.

    Args:
        classifier: the model.
        sources: the images.
        plans: fixed crop plans to compare.
        on_image: called after each image.

    Raises:
        DataError: there are no images.
        ImageError: an image cannot be read.
        SpecError: the model is multi-label.
    """
    check_single_label(classifier)
    if not sources:
        raise DataError("there are no images to predict")
    all_rules = dict.fromkeys((*VIEW_RULES.values(), *(rule for plan in plans for rule in plan.rules)))
    every_view = CropPlan("every", tuple(all_rules))
    logits, view_counts, consensus, times = [], [], [], []
    by_plan: dict[str, list[int]] = {plan.name: [] for plan in plans}
    for source in sources:
        image = _ViewLogits(classifier, source, every_view)
        logits.append([image.logits[rule] for rule in VIEW_RULES.values()])
        for plan in plans:
            by_plan[plan.name].append(image.predicted(plan))
        view_counts.append([image.view_count(plan) for plan in plans])
        consensus.append(image.predicted(every_view))
        times.append((image.first_ms, image.further_ms))
        on_image()
    first_ms, further_ms = np.median(times, axis=0).tolist()
    return CropPredictions(
        logits=np.array(logits),
        by_plan={name: np.array(indexes) for name, indexes in by_plan.items()},
        views=dict(zip(by_plan, np.mean(view_counts, axis=0).tolist(), strict=True)),
        consensus=np.array(consensus),
        first_ms=first_ms,
        further_ms=further_ms,
    )


class _ViewLogits:
    """The logits of one image for every view; rules that give the same view share one run."""

    def __init__(self, classifier: Classifier, source: ImageSource, every_view: CropPlan) -> None:
        start = time.perf_counter()
        image, preprocess = classifier.load(source, [every_view]), classifier.info.preprocess
        load_ms = (time.perf_counter() - start) * 1e3
        self._views = dict(zip(every_view.rules, every_view.views(image.size, preprocess), strict=True))
        by_view, view_ms = {}, []
        for view in dict.fromkeys(self._views.values()):
            start = time.perf_counter()
            by_view[view] = classifier.logits(preprocess.pixels(image, [view], whole=classifier.exact))[0]
            view_ms.append((time.perf_counter() - start) * 1e3)
        self.logits = {rule: by_view[view] for rule, view in self._views.items()}
        self.first_ms, self.further_ms = load_ms + view_ms[0], float(np.median(view_ms))

    def predicted(self, plan: CropPlan) -> int:
        """The class with the highest mean probability over the plan's views."""
        return int(softmax(np.stack([self.logits[rule] for rule in plan.rules])).mean(axis=0).argmax())

    def view_count(self, plan: CropPlan) -> int:
        """The number of distinct views of this image that the plan has."""
        return len({self._views[rule] for rule in plan.rules})


def fit_plan(
    predictions: CropPredictions, truth: ClassIndexes | None, *, budget: float, images: ClassIndexes | None = None
) -> AdaptivePlan:
    """Fit an adaptive crop plan to predictions.

    Args:
        predictions: predictions of every view.
        truth: int64 (images,) true class indexes; None if they are unknown.
        budget: mean number of views per image, at least 1.
        images: indexes of the images to fit to; all of them by default.
    """
    logits = predictions.logits
    if images is not None:
        logits, truth = logits[images], None if truth is None else truth[images]
    return fit_adaptive_plan(logits, truth, tuple(VIEW_RULES), max_views=_MAX_VIEWS, budget=budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanScore:
    """Accuracy and cost of a crop plan.

    Attributes:
        plan: name of the plan; "adaptive" for adaptive crops.
        budget: mean number of views that adaptive crops aim at; None for a fixed plan.
        views: mean number of views per image.
        time: mean time per image, relative to a prediction with one view.
        right: share of correct predictions, 0 to 1.
        over_center: `right` minus that of the center crop.
        over_ten: `right` minus that of ten crops.
    """

    plan: str
    budget: float | None
    views: float
    time: float
    right: float
    over_center: Interval
    over_ten: Interval

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON-ready values."""
        gains = (("over_center", self.over_center), ("over_ten", self.over_ten))
        return asdict(self) | {name: {"mean": gain.value, "low": gain.low, "high": gain.high} for name, gain in gains}


def score_plans(
    predictions: CropPredictions,
    truth: ClassIndexes | None,
    *,
    budgets: Sequence[float],
    halves: int,
    seed: int = 0,
    on_split: Callable[[], None] = lambda: None,
) -> tuple[PlanScore, ...]:
    """Score every fixed plan, then adaptive crops for every budget, all on the same images.

    Adaptive crops are scored on images that they were not fitted to: the images are split into random halves, a plan is
    fitted to each half and scored on the other, and this is repeated.

    Args:
        predictions: predictions of every view and plan; the plans must include "center" and "ten".
        truth: int64 (images,) true class indexes; None if they are unknown: then the consensus of all views counts.
        budgets: mean numbers of views for adaptive crops.
        halves: number of random splits.
        seed: random seed of the splits.
        on_split: called after each of the `halves` splits.

    Raises:
        DataError: there are fewer than 4 images.
    """
    target = predictions.consensus if truth is None else truth
    if len(target) < _MIN_IMAGES:
        raise DataError(
            f"{len(target)} images are too few to fit to one half and score on the other; give at least some dozens"
        )
    correct = {name: (indexes == target).astype(np.float64) for name, indexes in predictions.by_plan.items()}
    further = predictions.further_ms / predictions.first_ms

    def score(plan: str, budget: float | None, shares: Shares, views: float) -> PlanScore:
        over_center, over_ten = (mean_interval(shares - correct[baseline]) for baseline in BASELINES)
        return PlanScore(
            plan=plan,
            budget=budget,
            views=views,
            time=1 + (views - 1) * further,
            right=float(shares.mean()),
            over_center=over_center,
            over_ten=over_ten,
        )

    fixed = [score(name, None, correct[name], predictions.views[name]) for name in predictions.by_plan]
    shares, views = _cross_validate(predictions, truth, budgets, halves, seed, on_split=on_split)
    return (*fixed, *(score("adaptive", b, shares[n], views[n]) for n, b in enumerate(budgets)))


def _cross_validate(
    predictions: CropPredictions,
    truth: ClassIndexes | None,
    budgets: Sequence[float],
    halves: int,
    seed: int,
    *,
    on_split: Callable[[], None],
) -> tuple[list[Shares], list[float]]:
    """For each budget, how often each image was predicted correctly (0 to 1), and the mean number of views."""
    target, names = predictions.consensus if truth is None else truth, tuple(VIEW_RULES)
    rng, count = np.random.default_rng(seed), len(target)
    correct, views = np.zeros((2, len(budgets), count))
    for _ in range(halves):
        first, second = np.array_split(rng.permutation(count), 2)
        for fitted, held_out in ((first, second), (second, first)):
            plan = fit_plan(predictions, truth, budget=1.0, images=fitted)
            order = [names.index(name) for name in plan.view_names]
            cumulative = cumulative_predictions(predictions.logits[held_out][:, order], plan.temperature)
            for number, budget in enumerate(budgets):
                predicted, used = cumulative.stopped_at(plan.with_budget(budget).margin)
                correct[number, held_out] += predicted == target[held_out]
                views[number, held_out] += used
        on_split()
    return list(correct / halves), (views / halves).mean(axis=1).tolist()


def recommended(scores: Sequence[PlanScore]) -> PlanScore:
    """The cheapest adaptive plan that is as accurate as ten crops, or the most accurate one if none is.

    Args:
        scores: scores from `score_plans`, with at least one budget.
    """
    adaptive = [score for score in scores if score.budget is not None]
    sufficient = [score for score in adaptive if score.over_ten.value > -_ROUNDING]
    return min(sufficient, key=lambda s: s.views) if sufficient else max(adaptive, key=lambda s: (s.right, -s.views))


def better_fixed(scores: Sequence[PlanScore], than: PlanScore) -> PlanScore | None:
    """The most accurate fixed plan if it is clearly better than another plan, otherwise None.

    Args:
        scores: scores from `score_plans`.
        than: the score to beat, by more than two standard errors of the fixed plan's gain over the center crop.
    """
    best = max((score for score in scores if score.budget is None), key=lambda score: score.right)
    standard_error = (best.over_center.high - best.over_center.value) / Z_95
    return best if best.right - than.right > 2 * standard_error > 0 else None
