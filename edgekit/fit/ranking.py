"""Candidates with their predicted figures, and which of them are worth measuring and training."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from edgekit.errors import SpecError
from edgekit.fit.accuracy import family_of, prior_accuracy
from edgekit.fit.cost_model import predict
from edgekit.fit.figures_text import budget_text, figures_text
from edgekit.fit.front import FrontPoint
from edgekit.image.size import Size
from edgekit.stages import StageProgress, no_progress, step_counter

if TYPE_CHECKING:
    from edgekit.fit.budget import Budget
    from edgekit.fit.candidate import Candidate
    from edgekit.fit.device import Device
    from edgekit.fit.layers import Traces

# Predictions are within 10% for most candidates: what is predicted to miss the latency by this share may keep it.
SLACK = 0.1
# What is expected of networks before they are trained is off by some percent: up to this factor of the least error, a
# candidate of another kind is worth a try.
_COMPARABLE = 1.1


def predicted_points(
    candidates: Iterable[Candidate], *, device: Device, traces: Traces, progress: StageProgress = no_progress
) -> tuple[FrontPoint, ...]:
    """Predict what candidates cost on a device, and what networks like them reach on ImageNet.

    Args:
        candidates: of `space.candidates`.
        device: the device.
        traces: where the layers of architectures are kept.
        progress: called after each candidate.
    """
    candidates, points = tuple(candidates), []
    step = step_counter(progress, "predicting latencies", len(candidates))
    for candidate in candidates:
        layers, size = traces.layers(candidate), Size(candidate.resolution, candidate.resolution)
        points.append(
            FrontPoint(
                candidate=candidate,
                predicted=predict(layers, precision=candidate.precision, input=size, device=device),
                prior=prior_accuracy(candidate, macs=traces.cost(candidate).macs),
            )
        )
        step()
    return tuple(points)


def infeasible(points: Sequence[FrontPoint], budget: Budget) -> SpecError:
    """The error for a budget that no candidate keeps: it names the one that misses it least, and by what.

    Args:
        points: at least one candidate.
        budget: the limits.
    """
    nearest = min(points, key=lambda point: (budget.excess(point.figures), point.name))
    missed = " and ".join(f"`{name}`" for name in budget.missed(nearest.figures))
    return SpecError(
        f"none of {len(points)} candidates keeps the budget of {budget_text(budget)}; the nearest is {nearest.name} "
        f"with {figures_text(nearest.figures)}: raise {missed}"
    )


def shortlist(
    points: Iterable[FrontPoint], *, count: int, error: Callable[[FrontPoint], float]
) -> tuple[FrontPoint, ...]:
    """Choose candidates to try: of several kinds, because what is expected of them is only roughly true.

    Args:
        points: candidates inside the budget, or one step outside of it.
        count: how many to choose at most.
        error: that is expected of a candidate at the end of its training.

    Returns:
        In turn the one of the least error, or one that is close to it and of a family that was chosen less often.
    """
    waiting = sorted(points, key=lambda point: (error(point), point.name))
    chosen, families = list[FrontPoint](), Counter[str]()
    while waiting and len(chosen) < count:
        comparable = [point for point in waiting if error(point) <= _COMPARABLE * error(waiting[0])]
        point = min(comparable, key=lambda point: families[family_of(point.candidate.network)])
        families[family_of(point.candidate.network)] += 1
        chosen.append(point)
        waiting = [other for other in waiting if _form(other.candidate) != _form(point.candidate)]
    return tuple(chosen)


def _form(candidate: Candidate) -> Candidate:
    """What alike candidates have in common: all but precision and activation."""
    return dataclasses.replace(candidate, precision="float32", activation="")
