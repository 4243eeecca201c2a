"""Adaptive crops: one view at most images, more views at those that stay in doubt."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import SpecError, unknown
from edgekit.image.size import Size
from edgekit.preprocess.crops import Geometry, View, ViewRule
from edgekit.preprocess.scores import Average, Floats, softmax

if TYPE_CHECKING:
    import numpy.typing as npt

# What the steps of an adaptive plan are chosen from, by the names that stand in model files: their meaning is fixed.
# start and end are the left and right of a wide image, the top and bottom of a tall one.
VIEW_RULES = {
    "center": ViewRule(),
    "near": ViewRule(zoom=1.0625),
    "far": ViewRule(zoom=0.9375),
    "wide": ViewRule(fit="cover"),
    "start": ViewRule(fit="cover", down=0.0, across=0.0),
    "end": ViewRule(fit="cover", down=1.0, across=1.0),
}
VIEW_RULES |= {f"{name}-mirrored": rule._replace(mirrored=True) for name, rule in VIEW_RULES.items()}
_MAX_STEPS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptivePlan:
    """Looks taken one after the other, until their answer is sure or the last one is taken.

    An image's answer is softmax(mean of the logits of the views so far / temperature), and it is sure when its best
    class leads the second by `margin` (0 to 1). view_names: names in VIEW_RULES, the first of which every image gets.
    curve: (mean number of views, margin) as measured on some images, both ascending: it says the margin for a budget.
    budget: how many views an image may take in the mean; from 1.
    """

    view_names: tuple[str, ...]
    temperature: float
    curve: tuple[tuple[float, float], ...]
    budget: float

    def __post_init__(self) -> None:
        if not 1 <= len(self.view_names) <= _MAX_STEPS:
            raise SpecError(f"adaptive crops have 1 to {_MAX_STEPS} views, not {len(self.view_names)}")
        for name in self.view_names:
            if name not in VIEW_RULES:
                raise SpecError(unknown("view", str(name), VIEW_RULES))
        if not (_is_finite(self.temperature) and self.temperature > 0):
            raise SpecError(f"the temperature must be above 0, not {self.temperature!r:.100}")
        if not _is_curve(self.curve):
            raise SpecError("the curve of adaptive crops must be ascending pairs of a number of views and a margin")
        if not (_is_finite(self.budget) and self.budget >= 1):
            raise SpecError(f"the budget must be a number of views from 1, not {self.budget!r:.100}")

    def __len__(self) -> int:
        return len(self.view_names)

    @property
    def margin(self) -> float:
        """What the best class must lead by, 0 to 1, for the budget to be kept; past 1 where it allows every view."""
        views, margins = zip(*self.curve, strict=True)
        return float(np.interp(self.budget, views, margins))

    def with_budget(self, budget: float) -> AdaptivePlan:
        """The same plan with another budget. Raises SpecError for less than one view."""
        return replace(self, budget=budget)

    def views(self, size: Size, geometry: Geometry) -> tuple[View, ...]:
        """All views that an image of `size` may get, in their order."""
        return tuple(VIEW_RULES[name].view(size, geometry) for name in self.view_names)

    def steps(self, size: Size, geometry: Geometry) -> tuple[tuple[View, ...], ...]:
        """The views that are run before the plan is asked whether they are enough: one by one."""
        return tuple((view,) for view in self.views(size, geometry))

    def probabilities(self, logits: Floats, average: Average = "logits") -> npt.NDArray[np.float64]:
        """(classes,) probabilities by (views, classes) logits of the first views; always of the logits' mean."""
        return softmax(logits.mean(axis=0, dtype=np.float64) / self.temperature)

    def is_sure(self, logits: Floats) -> bool:
        """Whether (views, classes) logits of the first views are enough."""
        return bool(margins(self.probabilities(logits)) >= self.margin)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; from_dict is its inverse."""
        return {
            "views": list(self.view_names),
            "temperature": self.temperature,
            "curve": [list(pair) for pair in self.curve],
            "budget": self.budget,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AdaptivePlan:
        """From to_dict's values. Raises SpecError for a missing or impossible one."""
        views, curve = values.get("views"), values.get("curve")
        if not (_is_list_of(views, str) and _is_list_of(curve, list)):
            raise SpecError("adaptive crops must have a list of views and a curve of pairs")
        return cls(
            view_names=tuple(views or ()),
            temperature=values.get("temperature", 0.0),
            curve=tuple(tuple(pair) for pair in curve or ()),
            budget=values.get("budget", 0.0),
        )


def margins(probabilities: Floats) -> Floats:
    """By how much the best class leads the second: (..., classes) -> (...), 0 to 1; 1 where there is one class."""
    if probabilities.shape[-1] < 2:
        return np.ones(probabilities.shape[:-1])
    best_two = np.partition(probabilities, -2, axis=-1)[..., -2:]
    return np.asarray(best_two[..., 1] - best_two[..., 0])


def _is_list_of(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_curve(curve: Sequence[Sequence[float]]) -> bool:
    if not curve or not all(len(pair) == 2 and all(map(_is_finite, pair)) for pair in curve):
        return False
    return all(first[0] < second[0] and first[1] < second[1] for first, second in itertools.pairwise(curve))
