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

if TYPE_CHECKING:
    import numpy.typing as npt

AnyPlan: TypeAlias = "CropPlan | AdaptivePlan"
Plan: TypeAlias = "str | int | AnyPlan"  # or its name
Probabilities: TypeAlias = "npt.NDArray[np.float64]"

UNKNOWN = "unknown"
ADAPTIVE = "adaptive"
_SHOWN = 3  # classes in a repr


class Timings(NamedTuple):
    """Milliseconds spent on one image: decoding it, resampling and cutting its views, running the network."""

    load_ms: float = 0.0
    pixels_ms: float = 0.0
    network_ms: float = 0.0


class Stopwatch:
    """Measures the milliseconds of each stage, from the end of the stage before it."""

    def __init__(self) -> None:
        self.timings = Timings()
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Add the time since the last lap to `stage`, a field of Timings."""
        now = time.perf_counter()
        spent = getattr(self.timings, stage) + (now - self._last) * 1e3
        self.timings, self._last = self.timings._replace(**{stage: spent}), now


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

    @property
    def is_unknown(self) -> bool:
        """Whether even the most probable class is less probable than `unknown_below`."""
        return self.probability < self.unknown_below

    @property
    def label(self) -> str:
        """The most probable class, or "unknown" if `is_unknown`; `top` always names classes."""
        return UNKNOWN if self.is_unknown else self.top[0].label

    @property
    def probability(self) -> float:
        """The probability of the most probable class, 0 to 1."""
        return self.top[0].probability

    def to_dict(self) -> dict[str, Any]:
        """The classes in `top` as JSON-ready values.

        Returns:
            {"top": [{"label": str, "index": int, "probability": float}, ...]}, and "unknown": True if `is_unknown`.

        Example:
            >>> import json
            >>> from edgekit import Classifier
            >>> print(json.dumps(Classifier("model.onnx").predict("photo.jpg", top=1).to_dict()))
            {"top": [{"label": "nut", "index": 1, "probability": ...}]}
        """
        top = [{"label": s.label, "index": s.index, "probability": s.probability} for s in self.top]
        return {"top": top, "unknown": True} if self.is_unknown else {"top": top}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Prediction):
            return NotImplemented
        return (self.top, self.views, self.unknown_below) == (other.top, other.views, other.unknown_below) and all(
            np.array_equal(ours, theirs)
            for ours, theirs in (
                (self.probabilities, other.probabilities),
                (self.uncalibrated, other.uncalibrated),
                (self.logits, other.logits),
            )
        )

    def __repr__(self) -> str:
        scores = [f"{quote(score.label)} {score.probability:.3f}" for score in self.top[:_SHOWN]]
        more = ["..."] * (len(self.top) > _SHOWN)
        return f"Prediction({f'{UNKNOWN}: ' * self.is_unknown}{', '.join([*scores, *more])})"

    def _repr_html_(self) -> str:
        """A bar for each class in `top`, for notebooks with a light or a dark theme."""
        from html import escape  # here, because only notebooks need it

        rows = "".join(
            f'<div style="overflow-wrap:anywhere">{escape(printable(score.label))}</div>'
            f'<div style="background:#3b82f6;height:0.7em;border-radius:2px;min-width:1px;'
            f'width:{100 * score.probability:.1f}%"></div>'
            f'<div style="text-align:right">{100 * score.probability:.1f}%</div>'
            for score in self.top
        )
        reason = f'<div style="grid-column:1/-1">{UNKNOWN}: no class reaches {100 * self.unknown_below:.1f}%</div>'
        return (
            '<div style="display:grid;grid-template-columns:fit-content(24em) 12em max-content;gap:3px 10px;'
            'align-items:center;justify-content:start;font-variant-numeric:tabular-nums">'
            f"{reason * self.is_unknown}{rows}</div>"
        )


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
        for kind, value, known in (
            ("average", self.average, get_args(Average)),
            ("channels", self.channels, get_args(Channels)),
        ):
            if not isinstance(value, str) or value not in known:
                raise SpecError(unknown(f"`{kind}`", value, known))

    def plan_for(self, info: ArtifactInfo, name: str) -> AnyPlan:
        """The plan for the model of `info`, which messages call `name`."""
        plan = self.plan
        if plan == ADAPTIVE:
            if info.adaptive_crops is None:
                raise SpecError(f"{name}: has no adaptive crops; `edgekit crops` fits them and writes a file with them")
            plan = info.adaptive_crops
        if isinstance(plan, AdaptivePlan):
            return plan if self.budget is None else plan.with_budget(self.budget)
        if self.budget is not None:
            raise SpecError(f"`budget` needs the plan {ADAPTIVE!r} (got {quote(plan)})")
        return plan_named(plan)

    def prediction(self, scores: ClassScores, labels: tuple[str, ...], timings: Timings) -> Prediction:
        """The prediction that the caller gets."""
        return Prediction(
            top=best(scores.probabilities, labels, self.top, tie_breaker=scores.uncalibrated),
            probabilities=scores.probabilities,
            uncalibrated=scores.uncalibrated,
            timings=timings,
            logits=scores.logits,
            views=scores.views,
            unknown_below=self.unknown_below,
        )
