"""Fitting adaptive crops to a network's logits: the order of the views, the temperature, and the margins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgekit.evaluate.temperature import fit_temperature
from edgekit.preprocess.adaptive_crops import AdaptivePlan, margins
from edgekit.preprocess.scores import Floats, softmax

ClassIndexes: TypeAlias = npt.NDArray[np.int64]
Counts: TypeAlias = npt.NDArray[np.int64]

_MARGINS = (0.0, *np.linspace(0.02, 1.0, 50).round(2).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class CumulativePredictions:
    """The predictions after each view of a plan, from the mean logits of the views so far.

    Attributes:
        margin: float64 (images, views), the difference between the two highest probabilities.
        best: int64 (images, views), index of the most probable class.
    """

    margin: Floats
    best: ClassIndexes

    def stopped_at(self, margin: float) -> tuple[ClassIndexes, Counts]:
        """Stop each image at the first view that reaches a margin, or after the last view.

        Args:
            margin: difference between the two highest probabilities, 0 to 1.

        Returns:
            int64 (images,) predicted class indexes, and int64 (images,) numbers of views.
        """
        is_sure = self.margin >= margin
        is_sure[:, -1] = True
        last = is_sure.argmax(axis=1)
        return self.best[np.arange(len(last)), last], last + 1


def cumulative_predictions(logits: Floats, temperature: float) -> CumulativePredictions:
    """The predictions after each view.

    Args:
        logits: (images, views, classes), with the views in the order of the plan.
        temperature: divisor of the mean logits.
    """
    total = np.zeros((len(logits), logits.shape[2]))
    leads, best = [], []
    for view in range(logits.shape[1]):
        total += logits[:, view]
        probabilities = softmax(total / (view + 1) / temperature)
        leads.append(margins(probabilities))
        best.append(probabilities.argmax(axis=1))
    return CumulativePredictions(np.stack(leads, axis=1), np.stack(best, axis=1))


def fit_adaptive_plan(
    logits: Floats,
    truth: ClassIndexes | None,
    views: Sequence[str],
    *,
    max_views: int,
    budget: float,
    consensus: Floats | None = None,
) -> AdaptivePlan:
    """Fit an adaptive crop plan.

    The temperature is the one that makes the first view most likely. Each next view is the one that brings the
    prediction closest to a target, as long as one does. The target is the mean over all views; if the truth is known,
    it is halfway between that mean and the truth, because the labels of a few hundred images alone are too coarse.

    Args:
        logits: (images, views, classes).
        truth: int64 (images,) true class indexes; None if they are unknown.
        views: name of each view; the first one always comes first in the plan.
        max_views: largest number of views in the plan.
        budget: mean number of views per image, at least 1.
        consensus: (images, classes) mean probabilities over all views, if they are known; otherwise they are computed.
    """
    consensus = softmax(logits).mean(axis=1) if consensus is None else consensus
    known = consensus if truth is None else np.eye(logits.shape[2])[truth]
    first = logits[:, 0]
    temperature = float(f"{fit_temperature(first, (first * known).sum(axis=1)):.3g}")
    order = _choose_views(logits / temperature, (consensus + known) / 2, max_views)
    curve = _budget_curve(cumulative_predictions(logits[:, order], temperature))
    return AdaptivePlan(
        view_names=tuple(views[view] for view in order), temperature=temperature, curve=curve, budget=budget
    )


def _choose_views(logits: Floats, target: Floats, max_views: int) -> list[int]:
    target_logits = (logits * target[:, None]).sum(axis=2)
    order, total = [0], logits[:, 0].astype(np.float64)
    loss = _cross_entropy(total, target_logits[:, 0])
    while len(order) < max_views:
        count = len(order) + 1
        losses = {
            view: _cross_entropy((total + logits[:, view]) / count, target_logits[:, [*order, view]].mean(axis=1))
            for view in range(logits.shape[1])
            if view not in order
        }
        best = min(losses, key=losses.__getitem__, default=0)
        if not losses or losses[best] >= loss:
            break
        order, total, loss = [*order, best], total + logits[:, best], losses[best]
    return order


def _cross_entropy(logits: Floats, target_logits: Floats) -> float:
    """The mean over (images, classes) logits; target_logits: (images,) sums of the logits weighted by the target."""
    highest = logits.max(axis=1)
    return float((np.log(np.exp(logits - highest[:, None]).sum(axis=1)) + highest - target_logits).mean())


def _budget_curve(predictions: CumulativePredictions) -> tuple[tuple[float, float], ...]:
    """Pairs of (mean number of views, margin), only for margins at which the number increases."""
    curve: list[tuple[float, float]] = []
    for margin in _MARGINS:
        views = float(predictions.stopped_at(margin)[1].mean().round(4))
        if not curve or views > curve[-1][0]:
            curve.append((views, margin))
    return tuple(curve)
