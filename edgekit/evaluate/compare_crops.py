"""Whether a crop plan is worth its time: gains over the center crop that hold on other images.

Every plan is compared with the center crop, adaptive plans on images that they were not fitted to. Because the best of
many plans looks better than it is, two things guard the choice: the intervals of the gains are corrected for the number
of plans, and the search itself is judged on images that took no part in it (nested cross-validation, Varma and Simon
2006). For this the images are split in halves. One half fits the adaptive plans and chooses one plan of all, by a split
of its own, as the whole set does in the end; the other half judges that plan. Both halves do both, and the split is
repeated. The figures of an image are then averaged over the splits, so that an interval counts images, however often
they were split.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgekit.errors import DataError
from edgekit.evaluate.crop_predictions import CropPredictions
from edgekit.evaluate.fit_adaptive_crops import ClassIndexes, cumulative_predictions, fit_adaptive_plan
from edgekit.evaluate.intervals import Z_95, Interval, mean_interval, simultaneous_intervals
from edgekit.preprocess.adaptive_crops import VIEW_RULES, AdaptivePlan
from edgekit.preprocess.scores import softmax

Figures: TypeAlias = npt.NDArray[np.float64]

BASELINE = "center"
_MAX_VIEWS = 4
_MIN_IMAGES = 8  # quarters of them are fitted to
_MIN_WINS = 6  # without a loss, for p < 0.05 by a two-sided sign test


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanScore:
    """Accuracy and cost of a crop plan.

    Attributes:
        plan: name of the plan; "adaptive" for adaptive crops.
        budget: mean number of views that adaptive crops aim at; None for a fixed plan.
        views: mean number of views per image.
        time: mean time per image, relative to a prediction with one view.
        right: share of correct predictions, 0 to 1.
        gain: `right` minus that of the center crop, with an interval that holds for all plans at once.
    """

    plan: str
    budget: float | None
    views: float
    time: float
    right: float
    gain: Interval

    @property
    def name(self) -> str:
        """Name of the plan, with its budget."""
        return self.plan if self.budget is None else f"{self.plan} {self.budget:g}"

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class CropComparison:
    """Crop plans compared with the center crop.

    Attributes:
        images: number of images.
        is_labeled: whether the true classes are known; otherwise the consensus of all views counts as right.
        center_wrong: number of images that the center crop predicts wrongly.
        scores: all plans, the center crop first.
        choice: the plan that the search chooses: the cheapest one with a proven gain that is not measurably less
            accurate than the best of these; if no gain is proven, the plan that comes closest to it, or the center
            crop if no plan gains anything.
        gain: gain over the center crop of what the search chooses from one half of the images, on the other half.
    """

    images: int
    is_labeled: bool
    center_wrong: int
    scores: tuple[PlanScore, ...]
    choice: PlanScore
    gain: Interval

    @property
    def recommended(self) -> PlanScore | None:
        """The chosen plan if it is measurably better than the center crop, otherwise None.

        It is if both gains are: that of the plan among all, and that of the search on images that took no part in it.
        Without labels no plan is: more views come closer to the consensus of all, whether or not that is right.
        """
        is_better = min(self.choice.gain.low, self.gain.low) > 0
        return self.choice if is_better and self.is_labeled else None

    @property
    def can_prove(self) -> bool:
        """Whether a plan could be recommended at all: the center crop leaves at least 6 images to win."""
        return self.center_wrong >= _MIN_WINS

    @property
    def images_needed(self) -> int | None:
        """About how many images would prove the chosen plan's gain, if it is as it was measured here.

        None if the plan is proven, or gains nothing here, or the images are not labeled.
        """
        if self.recommended is not None or not self.is_labeled or min(self.choice.gain.value, self.gain.value) <= 0:
            return None
        widths = [(gain.value - gain.low) / gain.value for gain in (self.choice.gain, self.gain)]
        # Six wins and no loss are sqrt(6) standard errors. A few differences make the first interval too narrow.
        needed = self.images * max(widths[0], widths[1] * math.sqrt(_MIN_WINS) / Z_95) ** 2
        step = float(10 ** max(math.floor(math.log10(needed)) - 1, 0))  # two digits: more are not known
        return int(math.ceil(needed / step) * step)


def fit_plan(predictions: CropPredictions, truth: ClassIndexes | None, *, budget: float) -> AdaptivePlan:
    """Fit an adaptive crop plan to predictions.

    Args:
        predictions: predictions of every view.
        truth: int64 (images,) true class indexes; None if they are unknown.
        budget: mean number of views per image, at least 1.
    """
    return fit_adaptive_plan(predictions.logits, truth, tuple(VIEW_RULES), max_views=_MAX_VIEWS, budget=budget)


def compare_plans(
    predictions: CropPredictions,
    truth: ClassIndexes | None,
    *,
    budgets: Sequence[float],
    halves: int,
    seed: int = 0,
    on_split: Callable[[], None] = lambda: None,
) -> CropComparison:
    """Compare every fixed plan, and adaptive crops for every budget, with the center crop.

    Args:
        predictions: predictions of every view and plan, of "center" first.
        truth: int64 (images,) true class indexes; None if they are unknown: then the consensus of all views counts.
        budgets: mean numbers of views for adaptive crops.
        halves: number of random splits.
        seed: random seed of the splits.
        on_split: called after each of the `halves` splits.

    Raises:
        DataError: there are fewer than 8 images.
    """
    judge, rng = _Judge(predictions, truth, budgets), np.random.default_rng(seed)
    count = len(judge.target)
    if count < _MIN_IMAGES:
        raise DataError(f"{count} images are too few to choose on one half and judge on the other; give some hundreds")
    right, views = np.zeros((2, count, len(judge.names)))
    gains = np.zeros(count)
    for _ in range(halves):
        for half, other in _halves(np.arange(count), rng):
            outcome = judge(other, fitted_to=half)
            plan = judge.choice(*judge.cross_fitted(half, rng))
            right[other] += outcome[0] / halves
            views[other] += outcome[1] / halves
            gains[other] += (outcome[0][:, plan] - outcome[0][:, 0]) / halves
        on_split()
    scores = judge.scores(right, views)
    return CropComparison(
        images=count,
        is_labeled=truth is not None,
        center_wrong=int(count - right[:, 0].sum().round()),
        scores=scores,
        choice=scores[judge.choice(right, views)],
        gain=mean_interval(gains),
    )


class _Judge:
    """Predicts images by every plan. An outcome is float64 (2, images, plans): whether it is right, number of views."""

    def __init__(self, predictions: CropPredictions, truth: ClassIndexes | None, budgets: Sequence[float]) -> None:
        self._predictions, self._truth, self._budgets = predictions, truth, budgets
        self._consensus = softmax(predictions.logits).mean(axis=1)  # once for all fits
        self.target = predictions.consensus if truth is None else truth
        self.names = (*((name, None) for name in predictions.by_plan), *(("adaptive", budget) for budget in budgets))
        right = np.stack([indexes == self.target for indexes in predictions.by_plan.values()], axis=1)
        self._fixed = np.stack([right, np.broadcast_to(list(predictions.views.values()), right.shape)])

    def __call__(self, images: ClassIndexes, *, fitted_to: ClassIndexes) -> Figures:
        """The outcome of some images, adaptive plans fitted to others."""
        names, truth = tuple(VIEW_RULES), None if self._truth is None else self._truth[fitted_to]
        logits, consensus = self._predictions.logits[fitted_to], self._consensus[fitted_to]
        plan = fit_adaptive_plan(logits, truth, names, max_views=_MAX_VIEWS, budget=1.0, consensus=consensus)
        order = [names.index(name) for name in plan.view_names]
        cumulative = cumulative_predictions(self._predictions.logits[images][:, order], plan.temperature)
        adaptive = np.zeros((2, len(images), len(self._budgets)))
        for number, budget in enumerate(self._budgets):
            predicted, used = cumulative.stopped_at(plan.with_budget(budget).margin)
            adaptive[:, :, number] = predicted == self.target[images], used
        return np.concatenate([self._fixed[:, images], adaptive], axis=2)

    def cross_fitted(self, images: ClassIndexes, rng: np.random.Generator) -> Figures:
        """The outcome of some images, adaptive plans fitted to that half of them which does not contain the image."""
        outcome = np.zeros((2, len(self.target), len(self.names)))
        for half, other in _halves(images, rng):
            outcome[:, other] = self(other, fitted_to=half)
        return outcome[:, images]

    def times(self, views: Figures) -> Figures:
        """The mean time of each plan, relative to one view."""
        further = self._predictions.further_ms / self._predictions.first_ms
        return np.asarray(1 + (views.mean(axis=0) - 1) * further)

    def choice(self, right: Figures, views: Figures) -> int:
        """The index of the cheapest plan with a proven gain that is not measurably less accurate than the best of them.

        If no gain is proven, it is the plan whose gain is the largest for the width of its interval: the center crop,
        which is the first, if none gains anything.
        """
        gains, times = right - right[:, :1], self.times(views).tolist()
        intervals = simultaneous_intervals(gains)
        proven = [plan for plan, gain in enumerate(intervals) if gain.low > 0]
        if not proven:
            return max(range(len(intervals)), key=lambda plan: _evidence(intervals[plan]))
        best = max(proven, key=lambda plan: intervals[plan].value)
        sufficient = [plan for plan in proven if mean_interval(gains[:, best] - gains[:, plan]).low <= 0]
        return min(sufficient, key=lambda plan: (times[plan], -intervals[plan].value))

    def scores(self, right: Figures, views: Figures) -> tuple[PlanScore, ...]:
        """Accuracy and cost of every plan."""
        gains = simultaneous_intervals(right - right[:, :1])
        columns = (right.mean(axis=0).tolist(), views.mean(axis=0).tolist(), self.times(views).tolist(), gains)
        return tuple(
            PlanScore(plan=plan, budget=budget, views=count, time=time, right=share, gain=gain)
            for (plan, budget), share, count, time, gain in zip(self.names, *columns, strict=True)
        )


def _halves(images: ClassIndexes, rng: np.random.Generator) -> Iterator[tuple[ClassIndexes, ClassIndexes]]:
    """A random half of the images and the other one, then the same two the other way round."""
    first, second = np.array_split(rng.permutation(images), 2)
    yield from ((first, second), (second, first))


def _evidence(gain: Interval) -> float:
    """A gain in widths of its interval."""
    return gain.value / (gain.high - gain.low) if gain.high > gain.low else 0.0
