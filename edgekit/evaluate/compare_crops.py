"""What every crop plan gives and costs on some pictures: fixed plans, and adaptive crops by budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgekit.errors import DataError
from edgekit.evaluate.fit_adaptive_crops import Classes, fit_adaptive, stages
from edgekit.evaluate.intervals import Z_95, Interval, mean_interval
from edgekit.image.source import ImageSource
from edgekit.preprocess.adaptive_crops import LOOKS, AdaptivePlan
from edgekit.preprocess.crops import CropPlan
from edgekit.preprocess.scores import softmax
from edgekit.runtime.classifier import Classifier

Shares: TypeAlias = npt.NDArray[np.float64]

BASELINES = ("center", "ten")
MOST_LOOKS = 4
_LEAST_PICTURES = 4
_ROUNDING = 1e-9  # of a mean of differences that is 0


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a model says of each picture, look by look.

    logits: float32 (pictures, looks, classes) of the looks in LOOKS. answers: (pictures,) class indexes of each fixed
    plan by name; views: how many different views each had in the mean. many: (pictures,) class indexes by the mean over
    all that was looked at. first_ms, further_ms: medians of a prediction of one view, and of each view more.
    """

    logits: npt.NDArray[np.float32]
    answers: dict[str, Classes]
    views: dict[str, float]
    many: Classes
    first_ms: float
    further_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanScore:
    """What a plan gives and costs. views, time: of one picture in the mean, in views and in predictions of one view.

    right: the share of right answers. over_center, over_ten: by how much it is more often right than these plans.
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
        gains = {name: _gain(getattr(self, name)) for name in ("over_center", "over_ten")}
        return asdict(self) | gains


def look_at(
    classifier: Classifier,
    sources: Sequence[ImageSource],
    plans: Sequence[CropPlan],
    *,
    on_picture: Callable[[], None] = lambda: None,
) -> Seen:
    """Run every look of the plans, and those that adaptive plans are made of, on every picture.

    Raises ImageError for a picture that cannot be read, DataError where there are none.
    """
    if not sources:
        raise DataError("there are no pictures to look at")
    every = CropPlan("every", tuple(dict.fromkeys((*LOOKS.values(), *(look for plan in plans for look in plan.looks)))))
    logits, counts, many, times = [], [], [], []
    answers: dict[str, list[int]] = {plan.name: [] for plan in plans}
    for source in sources:
        seen = _Picture(classifier, source, every)
        logits.append([seen.logits[look] for look in LOOKS.values()])
        for plan in plans:
            answers[plan.name].append(seen.answer(plan))
        counts.append([seen.distinct(plan) for plan in plans])
        many.append(seen.answer(every))
        times.append((seen.first_ms, seen.further_ms))
        on_picture()
    first_ms, further_ms = np.median(times, axis=0).tolist()
    views = dict(zip(answers, np.mean(counts, axis=0).tolist(), strict=True))
    by_plan = {name: np.array(classes) for name, classes in answers.items()}
    return Seen(np.array(logits), by_plan, views, np.array(many), first_ms, further_ms)


class _Picture:
    """One picture by every look. Equal views of it run once."""

    def __init__(self, classifier: Classifier, source: ImageSource, every: CropPlan) -> None:
        start = time.perf_counter()
        picture, preprocess = classifier.load(source, every), classifier.info.preprocess
        loaded_ms = (time.perf_counter() - start) * 1e3
        self._views = dict(zip(every.looks, every.views(picture.size, preprocess), strict=True))
        by_view, took_ms = {}, []
        for view in dict.fromkeys(self._views.values()):
            start = time.perf_counter()
            by_view[view] = classifier.logits(preprocess.pixels(picture, [view], whole=classifier.exact))[0]
            took_ms.append((time.perf_counter() - start) * 1e3)
        self.logits = {look: by_view[view] for look, view in self._views.items()}
        self.first_ms, self.further_ms = loaded_ms + took_ms[0], float(np.median(took_ms))

    def answer(self, plan: CropPlan) -> int:
        """The class with the highest mean probability over the plan's looks."""
        return int(softmax(np.stack([self.logits[look] for look in plan.looks])).mean(axis=0).argmax())

    def distinct(self, plan: CropPlan) -> int:
        """How many different views of this picture the plan has."""
        return len({self._views[look] for look in plan.looks})


def fit(seen: Seen, truth: Classes | None, *, budget: float, pictures: Classes | None = None) -> AdaptivePlan:
    """Adaptive crops fitted to the pictures, or some of them; truth: None where it is not known."""
    chosen = slice(None) if pictures is None else pictures
    known = None if truth is None else truth[chosen]
    return fit_adaptive(seen.logits[chosen], known, tuple(LOOKS), most=MOST_LOOKS, budget=budget)


def compare(
    seen: Seen, truth: Classes | None, *, budgets: Sequence[float], halves: int, seed: int = 0
) -> tuple[PlanScore, ...]:
    """Every fixed plan, then adaptive crops for every budget, all on the same pictures.

    Right is the truth, or where that is not known what the mean over all that was looked at says. Adaptive crops are
    judged on pictures that they were not fitted to: `halves` times the pictures are halved by the seed, and what is
    fitted to one half is judged on the other, both ways. Raises DataError for fewer than 4 pictures.
    """
    judge = seen.many if truth is None else truth
    if len(judge) < _LEAST_PICTURES:
        raise DataError(
            f"{len(judge)} pictures are too few to fit on one half and judge on the other; give some dozens"
        )
    right = {name: (answers == judge).astype(np.float64) for name, answers in seen.answers.items()}
    baselines = [right[name] for name in BASELINES]
    further = seen.further_ms / seen.first_ms

    def score(plan: str, budget: float | None, shares: Shares, views: float) -> PlanScore:
        over_center, over_ten = (mean_interval(shares - baseline) for baseline in baselines)
        return PlanScore(
            plan=plan,
            budget=budget,
            views=views,
            time=1 + (views - 1) * further,
            right=float(shares.mean()),
            over_center=over_center,
            over_ten=over_ten,
        )

    fixed = [score(name, None, right[name], seen.views[name]) for name in seen.answers]
    shares, views = _held_out(seen, truth, budgets, halves, seed)
    return (*fixed, *(score("adaptive", b, shares[n], views[n]) for n, b in enumerate(budgets)))


def recommended(scores: Sequence[PlanScore]) -> PlanScore:
    """The cheapest adaptive budget that is right as often as ten crops; the one that is most often right if none is."""
    adaptive = [score for score in scores if score.budget is not None]
    enough = [score for score in adaptive if score.over_ten.value > -_ROUNDING]
    return min(enough, key=lambda s: s.views) if enough else max(adaptive, key=lambda s: (s.right, -s.views))


def better_fixed(scores: Sequence[PlanScore], than: PlanScore) -> PlanScore | None:
    """The fixed plan that is most often right, if it is so by more than two standard errors of its gain."""
    best = max((score for score in scores if score.budget is None), key=lambda score: score.right)
    error = (best.over_center.high - best.over_center.value) / Z_95
    return best if best.right - than.right > 2 * error > 0 else None


def _held_out(
    seen: Seen, truth: Classes | None, budgets: Sequence[float], halves: int, seed: int
) -> tuple[list[Shares], list[float]]:
    """For each budget, (pictures,) share of the judgements that found the picture right, and the mean of views."""
    judge, names = seen.many if truth is None else truth, tuple(LOOKS)
    rng, count = np.random.default_rng(seed), len(judge)
    hits, looks = np.zeros((2, len(budgets), count))
    for _ in range(halves):
        first, second = np.array_split(rng.permutation(count), 2)
        for fitted, judged in ((first, second), (second, first)):
            plan = fit(seen, truth, budget=1.0, pictures=fitted)
            order = [names.index(name) for name in plan.looks]
            staged = stages(seen.logits[judged][:, order], plan.temperature)
            for number, budget in enumerate(budgets):
                best, used = staged.at(plan.with_budget(budget).margin)
                hits[number, judged] += best == judge[judged]
                looks[number, judged] += used
    return list(hits / halves), (looks / halves).mean(axis=1).tolist()


def _gain(interval: Interval) -> dict[str, float]:
    return {"mean": interval.value, "low": interval.low, "high": interval.high}
