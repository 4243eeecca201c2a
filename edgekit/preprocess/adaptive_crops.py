"""Adaptive crops: one view of most images, more views of those whose class stays in doubt."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import SpecError, must_be, unknown
from edgekit.image.size import Size
from edgekit.preprocess.crops import View, ViewRule
from edgekit.preprocess.geometry import Geometry
from edgekit.preprocess.scores import Average, Floats, Task, softmax, with_temperature

if TYPE_CHECKING:
    import numpy.typing as npt

# The views that an adaptive plan can use. Model files contain these names, so their meaning is fixed. start and end are
# the left and right of a wide image, and the top and bottom of a tall one.
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
    """Views that are run one after the other until the class is clear, or there are no more.

    The probabilities are softmax(mean of the logits of the views so far / temperature). The class is clear when the
    best one leads the second by `margin`. `edgekit crops` fits a plan to a model and writes it into the model file.

    The plan's temperature and the model's are never combined. The plan's decides when the class is clear, because the
    margins were measured with it. The model's, if the file has one, replaces it in the reported probabilities, because
    it was fitted to labels, and gives the probabilities of every plan the same meaning.

    Args:
        view_names: names in VIEW_RULES, in the order in which the views are run; every image gets the first.
        temperature: divisor of the mean logits, above 0.
        curve: (mean number of views, margin) as measured on some images, both ascending: the margin for each budget.
        budget: mean number of views per image, from 1.

    Raises:
        SpecError: a value is not possible.

    Example:
        >>> from edgekit import AdaptivePlan
        >>> plan = AdaptivePlan(
        ...     view_names=("center", "wide"), temperature=1.5, curve=((1.0, 0.0), (2.0, 1.0)), budget=1.25
        ... )
        >>> plan.margin
        0.25
        >>> plan.with_budget(1.5).margin
        0.5
    """

    view_names: tuple[str, ...]
    temperature: float
    curve: tuple[tuple[float, float], ...]
    budget: float

    def __post_init__(self) -> None:
        if not (isinstance(self.view_names, tuple) and 1 <= len(self.view_names) <= _MAX_STEPS):
            raise SpecError(must_be("view_names", f"a tuple of 1 to {_MAX_STEPS} names of views", self.view_names))
        for name in self.view_names:
            if not isinstance(name, str) or name not in VIEW_RULES:
                raise SpecError(unknown("view", name, VIEW_RULES))
        if not (_is_finite(self.temperature) and self.temperature > 0):
            raise SpecError(must_be("temperature", "a number above 0", self.temperature))
        if not _is_curve(self.curve):
            raise SpecError(must_be("curve", "ascending pairs of a number of views and a margin", self.curve))
        if not (_is_finite(self.budget) and self.budget >= 1):
            raise SpecError(must_be("budget", "a number of views from 1", self.budget))

    def __len__(self) -> int:
        return len(self.view_names)

    @property
    def margin(self) -> float:
        """The lead, 0 to 1, at which the class is clear, for this budget; above 1 if the budget allows every view."""
        views, margins = zip(*self.curve, strict=True)
        return float(np.interp(self.budget, views, margins))

    def with_budget(self, budget: float) -> AdaptivePlan:
        """The same plan with another budget.

        Args:
            budget: mean number of views per image, from 1.

        Raises:
            SpecError: it is less than 1, or not a number.
        """
        return replace(self, budget=budget)

    def views(self, size: Size, geometry: Geometry) -> tuple[View, ...]:
        """All views that an image may get, in their order.

        Args:
            size: size of the upright image.
            geometry: the model's Preprocess.
        """
        return tuple(VIEW_RULES[name].view(size, geometry) for name in self.view_names)

    def steps(self, size: Size, geometry: Geometry) -> tuple[tuple[View, ...], ...]:
        """The views that are run before `is_sure` is asked whether they suffice: one at a time.

        Args:
            size: size of the upright image.
            geometry: the model's Preprocess.
        """
        return tuple((view,) for view in self.views(size, geometry))

    def probabilities(
        self,
        logits: Floats,
        average: Average = "logits",
        *,
        temperature: float | None = None,
        task: Task = "single-label",
    ) -> npt.NDArray[np.float64]:
        """Probabilities of one image, float64 (classes,).

        Args:
            logits: float32 (views, classes) of the first views.
            average: without effect: the logits are averaged, because the temperature was fitted to their mean.
            temperature: the model's, instead of the plan's; None for the plan's.
            task: without effect: a multi-label model has no adaptive plan, because its classes do not compete.
        """
        mean = logits.mean(axis=0, dtype=np.float64)
        return softmax(mean / self.temperature) if temperature is None else with_temperature(softmax(mean), temperature)

    def is_sure(self, logits: Floats) -> bool:
        """Whether the views that were run suffice.

        Args:
            logits: float32 (views, classes) of the first views.
        """
        return bool(margins(self.probabilities(logits)) >= self.margin)

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON-ready values; `from_dict` is the inverse."""
        return {
            "views": list(self.view_names),
            "temperature": self.temperature,
            "curve": [list(pair) for pair in self.curve],
            "budget": self.budget,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AdaptivePlan:
        """The plan from the values of `to_dict`.

        Args:
            values: the values by their names.

        Raises:
            SpecError: a value is missing or not possible.
        """
        views, curve = (values.get(name) if isinstance(values, Mapping) else None for name in ("views", "curve"))
        if not (_is_list_of(views, str) and _is_list_of(curve, list)):
            raise SpecError(must_be("adaptive_crops", "an object with a list of views and a curve of pairs", values))
        return cls(
            view_names=tuple(views or ()),
            temperature=values.get("temperature", 0.0),
            curve=tuple(tuple(pair) for pair in curve or ()),
            budget=values.get("budget", 0.0),
        )


def margins(probabilities: Floats) -> Floats:
    """The lead of the best class over the second: (..., classes) -> (...), 0 to 1; 1 if there is only one class."""
    if probabilities.shape[-1] < 2:
        return np.ones(probabilities.shape[:-1])
    best_two = np.partition(probabilities, -2, axis=-1)[..., -2:]
    return np.asarray(best_two[..., 1] - best_two[..., 0])


def _is_list_of(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_curve(curve: Sequence[Sequence[float]]) -> bool:
    if not isinstance(curve, tuple) or not curve:
        return False
    if not all(isinstance(pair, tuple) and len(pair) == 2 and all(map(_is_finite, pair)) for pair in curve):
        return False
    return all(first[0] < second[0] and first[1] < second[1] for first, second in itertools.pairwise(curve))
