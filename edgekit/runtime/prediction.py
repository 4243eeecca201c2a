"""What is asked of images, and what is predicted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, get_args

import numpy as np

from edgekit.artifact.info import ArtifactInfo
from edgekit.errors import SpecError, unknown
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


class Timings(NamedTuple):
    """Milliseconds spent on one image: decoding, resampling and cutting, the network."""

    load_ms: float = 0.0
    pixels_ms: float = 0.0
    network_ms: float = 0.0


class Stopwatch:
    """Milliseconds by stage, since the stage before ended."""

    def __init__(self) -> None:
        self.timings = Timings()
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """What was done since the last lap counts as `stage`, a field of Timings."""
        now = time.perf_counter()
        spent = getattr(self.timings, stage) + (now - self._last) * 1e3
        self.timings, self._last = self.timings._replace(**{stage: spent}), now


class ClassScores(NamedTuple):
    """(classes,) probabilities and logits of one image, from so many views run."""

    probabilities: Probabilities
    logits: Probabilities
    views: int


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the model predicts for one image.

    top: the most probable classes, most probable first. probabilities: float64 of every class, in the order of the
    model's labels, the mean over the views. logits: the same of the network's own outputs. views: how many views the
    network saw. unknown_below: the probability under which nothing is sure.
    """

    top: tuple[Score, ...]
    probabilities: Probabilities
    timings: Timings
    logits: Probabilities
    views: int
    unknown_below: float = 0.0

    @property
    def is_unknown(self) -> bool:
        """Whether even the most probable class is less probable than was asked for."""
        return self.probability < self.unknown_below

    @property
    def label(self) -> str:
        """The most probable class, or "unknown" where `is_unknown`; `top` always names classes."""
        return UNKNOWN if self.is_unknown else self.top[0].label

    @property
    def probability(self) -> float:
        """The probability of the most probable class, 0 to 1."""
        return self.top[0].probability

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: {"top": [{"label", "index", "probability"}, ...]}, and "unknown": true where `is_unknown`."""
        top = [{"label": s.label, "index": s.index, "probability": s.probability} for s in self.top]
        return {"top": top, "unknown": True} if self.is_unknown else {"top": top}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of an image. Raises SpecError for what cannot be asked."""

    top: int
    plan: Plan
    budget: float | None
    average: Average
    unknown_below: float
    channels: Channels

    def __post_init__(self) -> None:
        if not (isinstance(self.top, Integral) and self.top >= 1):
            raise SpecError(f"top must be a whole number from 1, not {self.top!r:.100}")
        if not (isinstance(self.unknown_below, Real) and 0 <= self.unknown_below <= 1):
            raise SpecError(f"unknown_below must be a probability from 0 to 1, not {self.unknown_below!r:.100}")
        for kind, value, known in (
            ("average", self.average, get_args(Average)),
            ("channels", self.channels, get_args(Channels)),
        ):
            if value not in known:
                raise SpecError(unknown(kind, str(value), known))

    def plan_for(self, info: ArtifactInfo, name: str) -> AnyPlan:
        """The plan as it is for the model of `info`, whose file is called `name` in messages."""
        plan = self.plan
        if plan == ADAPTIVE:
            if info.adaptive_crops is None:
                raise SpecError(f"{name}: holds no adaptive crops; `edgekit crops` writes a file that does")
            plan = info.adaptive_crops
        if isinstance(plan, AdaptivePlan):
            return plan if self.budget is None else plan.with_budget(self.budget)
        if self.budget is not None:
            raise SpecError(f"a budget goes with the plan {ADAPTIVE}, not with {plan}")
        return plan_named(plan)

    def prediction(self, scores: ClassScores, labels: tuple[str, ...], timings: Timings) -> Prediction:
        """The scores as the caller gets them."""
        top = best(scores.probabilities, labels, self.top)
        return Prediction(top, scores.probabilities, timings, scores.logits, scores.views, self.unknown_below)
