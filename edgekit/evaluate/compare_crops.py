"""Accuracy and cost of every crop plan on some images: fixed plans, and adaptive crops by budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgekit.errors import DataError
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
_LEAST_IMAGES = 4
_ROUNDING = 1e-9  # of a mean of differences that is 0


@dataclass(frozen=True, slots=True, eq=False)
class CropPredictions:
    """A model's predictions for each image, by every view and by every fixed plan.

    logits: float32 (images, views, classes) of the views in VIEW_RULES. by_plan: (images,) class indexes of each fixed
    plan by name; views: its mean number of different views. consensus: (images,) class indexes by the mean over all
    views, the plans' included. first_ms, further_ms: medians of a prediction of one view, and of each further view.
    """

    logits: npt.NDArray[np.float32]
    by_plan: dict[str, ClassIndexes]
    views: dict[str, float]
    consensus: ClassIndexes
    first_ms: float
    further_ms: float


def predict_crops(
    classifier: Classifier,
    sources: Sequence[ImageSource],
    plans: Sequence[CropPlan],
    *,
    on_image: Callable[[], None] = lambda: None,
) -> CropPredictions:
    """Run every view of the plans, and those that adaptive plans are made of, on every image.

    Raises ImageError for an image that cannot be read, DataError if there are none.
    """
    if not sources:
        raise DataError("there are no images to predict")
    every = CropPlan(
        "every", tuple(dict.fromkeys((*VIEW_RULES.values(), *(rule for plan in plans for rule in plan.rules))))
    )
    logits, view_counts, consensus, times = [], [], [], []
    by_plan: dict[str, list[int]] = {plan.name: [] for plan in plans}
    for source in sources:
        image = _ViewLogits(classifier, source, every)
        logits.append([image.logits[rule] for rule in VIEW_RULES.values()])
        for plan in plans:
            by_plan[plan.name].append(image.predicted(plan))
        view_counts.append([image.view_count(plan) for plan in plans])
        consensus.append(image.predicted(every))
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
    """The logits of one image by every view. Equal views of it run once."""

    def __init__(self, classifier: Classifier, source: ImageSource, every: CropPlan) -> None:
        start = time.perf_counter()
        image, preprocess = classifier.load(source, [every]), classifier.info.preprocess
        load_ms = (time.perf_counter() - start) * 1e3
        self._views = dict(zip(every.rules, every.views(image.size, preprocess), strict=True))
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
        """How many different views of this image the plan has."""
        return len({self._views[rule] for rule in plan.rules})


def fit_plan(
    predictions: CropPredictions, truth: ClassIndexes | None, *, budget: float, images: ClassIndexes | None = None
) -> AdaptivePlan:
    """Adaptive crops fitted to the images, or to those of the given numbers. truth: None if it is not known."""
    logits = predictions.logits
    if images is not None:
        logits, truth = logits[images], None if truth is None else truth[images]
    return fit_adaptive_plan(logits, truth, tuple(VIEW_RULES), max_views=_MAX_VIEWS, budget=budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanScore:
    """Accuracy and cost of a plan. views, time: means of an image, in views and in predictions of one view.

    right: the share of correct predictions. over_center, over_ten: by how much it is larger than with these plans.
    """

    plan: str
    budget: float | None
    views: float
    time: float
    right: float
    over_center: Interval
    over_ten: Interval

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        gains = (("over_center", self.over_center), ("over_ten", self.over_ten))
        return asdict(self) | {name: {"mean": gain.value, "low": gain.low, "high": gain.high} for name, gain in gains}


def score_plans(
    predictions: CropPredictions, truth: ClassIndexes | None, *, budgets: Sequence[float], halves: int, seed: int = 0
) -> tuple[PlanScore, ...]:
    """Every fixed plan, then adaptive crops for every budget, all on the same images.

    Correct is the truth, or if that is not known the consensus of all views. Adaptive crops are scored on images that
    they were not fitted to: `halves` times the images are halved by the seed, and what is fitted to one half is scored
    on the other, both ways. Raises DataError for fewer than 4 images.
    """
    target = predictions.consensus if truth is None else truth
    if len(target) < _LEAST_IMAGES:
        raise DataError(f"{len(target)} images are too few to fit on one half and judge on the other; give some dozens")
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
    shares, views = _cross_validate(predictions, truth, budgets, halves, seed)
    return (*fixed, *(score("adaptive", b, shares[n], views[n]) for n, b in enumerate(budgets)))


def _cross_validate(
    predictions: CropPredictions, truth: ClassIndexes | None, budgets: Sequence[float], halves: int, seed: int
) -> tuple[list[Shares], list[float]]:
    """For each budget, (images,) share of the times that the image was predicted correctly, and the mean of views."""
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
    return list(correct / halves), (views / halves).mean(axis=1).tolist()


def recommended(scores: Sequence[PlanScore]) -> PlanScore:
    """The cheapest adaptive budget that is as accurate as ten crops; the most accurate one if none is."""
    adaptive = [score for score in scores if score.budget is not None]
    sufficient = [score for score in adaptive if score.over_ten.value > -_ROUNDING]
    return min(sufficient, key=lambda s: s.views) if sufficient else max(adaptive, key=lambda s: (s.right, -s.views))


def better_fixed(scores: Sequence[PlanScore], than: PlanScore) -> PlanScore | None:
    """The most accurate fixed plan, if it is better by more than two standard errors of its gain."""
    best = max((score for score in scores if score.budget is None), key=lambda score: score.right)
    standard_error = (best.over_center.high - best.over_center.value) / Z_95
    return best if best.right - than.right > 2 * standard_error > 0 else None
