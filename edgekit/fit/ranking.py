"""Candidates with their predicted figures, and which of them are worth measuring and training."""

from __future__ import annotations

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
# Networks that train two and four times as fast as the slowest one are tried too: they see more images.
_LEVELS = (1.0, 0.5, 0.25)


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
    points: Iterable[FrontPoint],
    *,
    count: int,
    seconds: Callable[[FrontPoint], float],
    most_seconds: float,
    is_transfer: bool,
) -> tuple[FrontPoint, ...]:
    """Choose candidates to try: of several kinds and sizes, because published accuracies only tell so much.

    Args:
        points: candidates inside the budget, or one step outside of it.
        count: how many to choose at most.
        seconds: that training a candidate takes for an image.
        most_seconds: those that the time of the search allows.
        is_transfer: they start from pretrained weights: then every size is trained in no time.

    Returns:
        In turn the best by its prior up to `most_seconds`, up to half and up to a quarter of the slowest one of them,
        each of the families that were chosen least often so far.
    """
    ranked = sorted(points, key=lambda point: (-point.prior, point.name))
    affordable = [point for point in ranked if seconds(point) <= most_seconds]
    affordable = affordable or sorted(ranked, key=seconds)[: 2 * count]
    slowest, chosen, families = max(map(seconds, affordable)), list[FrontPoint](), Counter[str]()
    levels = (1.0,) if is_transfer else _LEVELS
    for number in range(count):
        waiting = [point for point in affordable if not _is_alike(point, chosen)]
        small = [point for point in waiting if seconds(point) <= levels[number % len(levels)] * slowest] or waiting
        if not small:
            break
        point = min(small, key=lambda point: families[family_of(point.candidate.network)])
        families[family_of(point.candidate.network)] += 1
        chosen.append(point)
    return tuple(chosen)


def _is_alike(point: FrontPoint, others: Iterable[FrontPoint]) -> bool:
    """Whether one of the others is the same network at the same resolution, in another precision."""
    return any(
        (point.candidate.architecture, point.candidate.resolution)
        == (other.candidate.architecture, other.candidate.resolution)
        for other in others
    )
