"""Adaptive crops fitted to what a network said of some pictures: order of the looks, temperature, margins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgekit.evaluate.calibration import fit_temperature
from edgekit.preprocess.adaptive_crops import AdaptivePlan, margins
from edgekit.preprocess.scores import Floats, softmax

Classes: TypeAlias = npt.NDArray[np.int64]

_MARGINS = (0.0, *np.linspace(0.02, 1.0, 50).round(2).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Staged:
    """What pictures' answers would be after each look of a plan.

    margin: (pictures, looks), by how much the best class leads. best: (pictures, looks) class indexes.
    """

    margin: Floats
    best: Classes

    def at(self, margin: float) -> tuple[Classes, Classes]:
        """(pictures,) class indexes and numbers of looks, where each picture stops at that margin or after the last."""
        sure = self.margin >= margin
        sure[:, -1] = True
        last = sure.argmax(axis=1)
        return self.best[np.arange(len(last)), last], last + 1


def fit_adaptive(
    logits: Floats, truth: Classes | None, names: Sequence[str], *, most: int, budget: float
) -> AdaptivePlan:
    """The plan of at most `most` looks. logits: (pictures, looks, classes); the first look is everybody's first.

    The temperature is the likeliest for the first look. Each next look is the one that brings the answer nearest to the
    target, as long as one does: the mean over all looks, and where the truth is known, half way from there to it.
    Alone, the truth of some hundred pictures is too rough a guide.
    """
    many = softmax(logits).mean(axis=1)
    sure = many if truth is None else np.eye(logits.shape[2])[truth]
    first = logits[:, 0]
    temperature = float(f"{fit_temperature(first, (first * sure).sum(axis=1)):.3g}")
    order = _order(logits / temperature, (many + sure) / 2, most)
    curve = _curve(stages(logits[:, order], temperature))
    return AdaptivePlan(looks=tuple(names[look] for look in order), temperature=temperature, curve=curve, budget=budget)


def stages(logits: Floats, temperature: float) -> Staged:
    """What the answers are after each of the looks: logits (pictures, looks, classes) in their order."""
    total = np.zeros((len(logits), logits.shape[2]))
    leads, best = [], []
    for look in range(logits.shape[1]):
        total += logits[:, look]
        probabilities = softmax(total / (look + 1) / temperature)
        leads.append(margins(probabilities))
        best.append(probabilities.argmax(axis=1))
    return Staged(np.stack(leads, axis=1), np.stack(best, axis=1))


def _order(logits: Floats, target: Floats, most: int) -> list[int]:
    agreed = (logits * target[:, None]).sum(axis=2)
    order, total = [0], logits[:, 0].astype(np.float64)
    reached = _loss(total, agreed[:, 0])
    while len(order) < most:
        count = len(order) + 1
        losses = {
            look: _loss((total + logits[:, look]) / count, agreed[:, [*order, look]].mean(axis=1))
            for look in range(logits.shape[1])
            if look not in order
        }
        best = min(losses, key=losses.__getitem__, default=0)
        if not losses or losses[best] >= reached:
            break
        order, total, reached = [*order, best], total + logits[:, best], losses[best]
    return order


def _loss(logits: Floats, agreed: Floats) -> float:
    """Mean cross-entropy of (pictures, classes) logits. agreed: (pictures,) their sums weighted by the target."""
    most = logits.max(axis=1)
    return float((np.log(np.exp(logits - most[:, None]).sum(axis=1)) + most - agreed).mean())


def _curve(staged: Staged) -> tuple[tuple[float, float], ...]:
    """(mean number of looks, margin), only where the number grows."""
    curve: list[tuple[float, float]] = []
    for margin in _MARGINS:
        looks = float(staged.at(margin)[1].mean().round(4))
        if not curve or looks > curve[-1][0]:
            curve.append((looks, margin))
    return tuple(curve)
