"""Candidates with their figures, and the Pareto front: those that no other candidate dominates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from edgekit.fit.candidate import Candidate

Stage: TypeAlias = Literal["ranked", "measured", "trained", "chosen"]


class Figures(NamedTuple):
    """What a model costs on a device, predicted or measured.

    Attributes:
        latency_ms: milliseconds of the network for one image.
        size_bytes: size of the model file.
        memory_bytes: bytes of its tensors while it runs.
    """

    latency_ms: float
    size_bytes: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontPoint:
    """A candidate with everything that is known of it.

    Attributes:
        candidate: the network, its resolution and its precision.
        predicted: what it costs by the cost model of the device.
        measured: what its exported file costs; None if it was not exported. The latency is a prediction if the device
            is not this one (`Device.is_here`).
        prior: accuracy that networks of its kind and size have on ImageNet, 0 to 1 (`accuracy.prior_accuracy`).
        accuracy: accuracy (multi-label: mAP) on the images that decide, after the last rung that it took part in, 0 to
            1; None if it was not trained.
        rung: number of that rung, from 1; None likewise.
        stage: how far it came.
    """

    candidate: Candidate
    predicted: Figures
    measured: Figures | None = None
    prior: float
    accuracy: float | None = None
    rung: int | None = None
    stage: Stage = "ranked"

    @property
    def figures(self) -> Figures:
        """What it costs: measured, if it was, otherwise predicted."""
        return self.measured or self.predicted

    @property
    def name(self) -> str:
        """Name of the candidate."""
        return self.candidate.name


def dominates(one: FrontPoint, other: FrontPoint) -> bool:
    """Whether a candidate is at least as fast, small, lean and accurate as another one, and better in one of these.

    Accuracies on the user's images are compared if both have them, otherwise the priors.
    """
    trained = one.accuracy is not None and other.accuracy is not None
    gains = [(second, first) for first, second in zip(one.figures, other.figures, strict=True)]
    gains.append((one.accuracy or 0.0, other.accuracy or 0.0) if trained else (one.prior, other.prior))
    return all(better >= worse for better, worse in gains) and any(better > worse for better, worse in gains)


def pareto(points: Iterable[FrontPoint]) -> tuple[FrontPoint, ...]:
    """The candidates that no other one dominates, the fastest first.

    Trained candidates are on the front by their accuracy on the user's images, and are not compared with untrained
    ones: these are on it only if no candidate was trained.

    Args:
        points: candidates with their figures.
    """
    points = tuple(points)
    compared = [point for point in points if point.accuracy is not None] or list(points)
    front = [point for point in compared if not any(dominates(other, point) for other in compared)]
    return tuple(sorted(front, key=lambda point: (point.figures.latency_ms, point.name)))


def best_first(points: Iterable[FrontPoint]) -> list[FrontPoint]:
    """The chosen candidate, the trained ones by their last rung and their accuracy there, then the others by the prior.

    Args:
        points: candidates.
    """
    return sorted(
        points,
        key=lambda point: (point.stage == "chosen", point.rung or 0, point.accuracy or 0.0, point.prior),
        reverse=True,
    )
