"""What is asked of an image, and what is predicted for it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, get_args

import numpy as np

from edgekit.artifact.info import ArtifactInfo
from edgekit.errors import SpecError, must_be, printable, quote, unknown
from edgekit.image.load import Channels
from edgekit.preprocess.adaptive_crops import AdaptivePlan
from edgekit.preprocess.crops import CropPlan, plan_named
from edgekit.preprocess.scores import Average, Score, best
from edgekit.preprocess.scoring import Scoring

if TYPE_CHECKING:
    import numpy.typing as npt

AnyPlan: TypeAlias = "CropPlan | AdaptivePlan"
Plan: TypeAlias = "str | int | AnyPlan"  # or its name
Probabilities: TypeAlias = "npt.NDArray[np.float64]"

UNKNOWN, NONE = "unknown", "none"
ADAPTIVE = "adaptive"
_SHOWN = 3  # classes in a repr
_AVERAGES, _CHANNELS = get_args(Average), get_args(Channels)


class Timings(NamedTuple):
    """Milliseconds spent on one image: decoding it, resampling and cutting its views, running the network."""

    load_ms: float = 0.0
    pixels_ms: float = 0.0
    network_ms: float = 0.0


class Stopwatch:
    """Measures the milliseconds of each stage, from the end of the stage before it."""

    def __init__(self) -> None:
        self._spent_ms = dict.fromkeys(Timings._fields, 0.0)
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Add the time since the last lap to `stage`, a field of Timings."""
        now = time.perf_counter()
        self._spent_ms[stage] += (now - self._last) * 1e3
        self._last = now

    @property
    def timings(self) -> Timings:
        """The milliseconds of all stages so far."""
        return Timings(**self._spent_ms)


class ClassScores(NamedTuple):
    """Probabilities (classes,) of one image, calibrated and not, its logits, and the number of views that were run."""

    probabilities: Probabilities
    uncalibrated: Probabilities
    logits: Probabilities
    views: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Prediction:
    """What a model predicts for one image. Notebooks show it as bars.

    Predictions are equal if all but their timings is equal. They have no hash: their arrays can be changed.

    Attributes:
        top: the most probable classes, most probable first.
        probabilities: float64 (classes,), 0 to 1, in the order of the model's labels: the mean over the views, scaled
            by the model's temperature if its file has one.
        uncalibrated: the same without the temperature; equal to `probabilities` if there is none.
        timings: milliseconds spent on the image.
        logits: float64 (classes,), the mean over the views.
        views: number of different views that the network has seen.
        unknown_below: probability below which the label is "unknown".
        assigned: of a multi-label model, the classes above their thresholds, most probable first; otherwise None.

    Example:
        >>> from edgekit import Classifier
        >>> prediction = Classifier("model.onnx").predict("photo.jpg")
        >>> prediction
        Prediction('nut' ..., ...)
        >>> prediction.label, prediction.probability > 0.5
        ('nut', True)
    """

    top: tuple[Score, ...]
    probabilities: Probabilities
    uncalibrated: Probabilities
    timings: Timings
    logits: Probabilities
    views: int
    unknown_below: float = 0.0
    assigned: tuple[Score, ...] | None = None

    @property
    def labels(self) -> tuple[Score, ...]:
        """The labels of the image, most probable first.

        Of a multi-label model, the classes above their thresholds, any number of them; otherwise the most probable
        class alone, or nothing if `is_unknown`.

        Example:
            >>> from edgekit import Classifier
            >>> sorted(score.label for score in Classifier("tags.onnx").predict("two.png").labels)
            ['blue', 'red']
        """
        if self.assigned is not None:
            return self.assigned
        return () if self.is_unknown else self.top[:1]

    @property
    def is_unknown(self) -> bool:
        """Whether even the most probable class is less probable than `unknown_below`."""
        return self.probability < self.unknown_below

    @property
    def label(self) -> str:
        """The first of `labels`; without any, "unknown" if `is_unknown`, or "none". `top` always names classes."""
        return self.labels[0].label if self.labels else UNKNOWN if self.is_unknown else NONE

    @property
    def probability(self) -> float:
        """The probability of the most probable class, 0 to 1."""
        return self.top[0].probability

    def to_dict(self) -> dict[str, Any]:
        """The classes in `top` as JSON-ready values.

        Returns:
            {"top": [{"label": str, "index": int, "probability": float}, ...]}, and "unknown": True if `is_unknown`; of
            a multi-label model also "labels", a list of the same kind, which may be empty.

        Example:
            >>> import json
            >>> from edgekit import Classifier
            >>> print(json.dumps(Classifier("model.onnx").predict("photo.jpg", top=1).to_dict()))
            {"top": [{"label": "nut", "index": 1, "probability": ...}]}
        """
        labels = {} if self.assigned is None else {"labels": _score_dicts(self.assigned)}
        return labels | {"top": _score_dicts(self.top)} | ({"unknown": True} if self.is_unknown else {})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Prediction):
            return NotImplemented
        ours, theirs = ((p.top, p.views, p.unknown_below, p.assigned) for p in (self, other))
        return ours == theirs and all(
            np.array_equal(mine, other_one)
            for mine, other_one in (
                (self.probabilities, other.probabilities),
                (self.uncalibrated, other.uncalibrated),
                (self.logits, other.logits),
            )
        )

    def __repr__(self) -> str:
        shown, prefix = self.assigned or self.top, "" if self.labels else f"{self.label}: "
        scores = [f"{quote(score.label)} {score.probability:.3f}" for score in shown[:_SHOWN]]
        more = ["..."] * (len(shown) > _SHOWN)
        return f"Prediction({prefix}{', '.join([*scores, *more])})"

    def _repr_html_(self) -> str:
        """A bar for each label of a multi-label model, otherwise for each class in `top`; for light and dark themes."""
        from html import escape  # here, because only notebooks need it

        rows = "".join(
            f'<div style="overflow-wrap:anywhere">{escape(printable(score.label))}</div>'
            f'<div style="background:#3b82f6;height:0.7em;border-radius:2px;min-width:1px;'
            f'width:{100 * score.probability:.1f}%"></div>'
            f'<div style="text-align:right">{100 * score.probability:.1f}%</div>'
            for score in self.assigned or self.top
        )
        limit = "is above its threshold" if self.assigned is not None else f"reaches {100 * self.unknown_below:.1f}%"
        reason = f'<div style="grid-column:1/-1">{self.label}: no class {limit}</div>'
        return (
            '<div style="display:grid;grid-template-columns:fit-content(24em) 12em max-content;gap:3px 10px;'
            'align-items:center;justify-content:start;font-variant-numeric:tabular-nums">'
            f"{'' if self.labels else reason}{rows}</div>"
        )


def _score_dicts(scores: tuple[Score, ...]) -> list[dict[str, Any]]:
    return [{"label": score.label, "index": score.index, "probability": score.probability} for score in scores]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Request:
    """What is asked of an image. Raises SpecError for what is not possible."""

    top: int
    plan: Plan
    budget: float | None
    average: Average
    unknown_below: float
    channels: Channels

    def __post_init__(self) -> None:
        if not (isinstance(self.top, Integral) and not isinstance(self.top, bool) and self.top >= 1):
            raise SpecError(must_be("top", "an integer from 1", self.top))
        if not (isinstance(self.unknown_below, Real) and 0 <= self.unknown_below <= 1):
            raise SpecError(must_be("unknown_below", "a probability from 0 to 1", self.unknown_below))
        if not isinstance(self.plan, str | int | CropPlan | AdaptivePlan):
            raise SpecError(must_be("plan", "a crop plan or its name", self.plan))
        for kind, value, known in (("average", self.average, _AVERAGES), ("channels", self.channels, _CHANNELS)):
            if not isinstance(value, str) or value not in known:
                raise SpecError(unknown(f"`{kind}`", value, known))

    def plan_for(self, info: ArtifactInfo, name: str) -> AnyPlan:
        """The plan for the model of `info`, which messages call `name`."""
        plan = self.plan
        if info.task == "multi-label":
            self._check_multi_label(name)
        if plan == ADAPTIVE:
            if info.adaptive_crops is None:
                raise SpecError(f"{name}: has no adaptive crops; `edgekit crops` fits them and writes a file with them")
            plan = info.adaptive_crops
        if isinstance(plan, AdaptivePlan):
            return plan if self.budget is None else plan.with_budget(self.budget)
        if self.budget is not None:
            raise SpecError(f"`budget` needs the plan {ADAPTIVE!r} (got {quote(plan)})")
        return plan_named(plan)

    def _check_multi_label(self, name: str) -> None:
        """Raises SpecError for what compares classes: those of a multi-label model do not compete."""
        if self.plan == ADAPTIVE or isinstance(self.plan, AdaptivePlan):
            raise SpecError(f"{name}: a multi-label model has no adaptive crops; choose another `plan`, such as 'flip'")
        if self.unknown_below:
            raise SpecError(f"{name}: a multi-label model has thresholds of its own; leave out `unknown_below`")

    def prediction(
        self, scores: ClassScores, labels: tuple[str, ...], scoring: Scoring, timings: Timings
    ) -> Prediction:
        """The prediction that the caller gets."""
        return Prediction(
            top=best(scores.probabilities, labels, self.top, tie_breaker=scores.uncalibrated),
            probabilities=scores.probabilities,
            uncalibrated=scores.uncalibrated,
            timings=timings,
            logits=scores.logits,
            views=scores.views,
            unknown_below=self.unknown_below,
            assigned=_assigned(scores.probabilities, labels, scoring) if scoring.is_multi_label else None,
        )


def _assigned(probabilities: Probabilities, labels: tuple[str, ...], scoring: Scoring) -> tuple[Score, ...]:
    is_assigned = scoring.assigned(probabilities)
    return tuple(score for score in best(probabilities, labels, len(labels)) if is_assigned[score.index])
