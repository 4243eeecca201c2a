"""The scaling of each network that a device can afford, without data; beside EfficientNet's compound rule."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeAlias

from edgekit import __version__
from edgekit.errors import check_types
from edgekit.fit.budget import Budget
from edgekit.fit.candidate import Candidate
from edgekit.fit.device import Device
from edgekit.fit.front import FrontPoint
from edgekit.fit.front_document import budget_values, device_values, point_values
from edgekit.fit.layers import Traces
from edgekit.fit.ranking import infeasible, predicted_points
from edgekit.fit.space import PHOTO_PX, candidates, compound
from edgekit.stages import StageProgress, no_progress, step_counter

SCHEMA = 1
_CLASSES, _IMAGE_SIZE = 1000, 256  # of ImageNet, on whose photos the accuracies are published
_COMPOUND = "efficientnet_b0"  # the network that the rule scales
_PHIS = [n / 20 for n in range(-80, 61)]  # B0 is 0, B7 about 6, which no budget of this command asks for
# Steps from the best of the space to a better one between its points.
_WIDTH_STEP, _DEPTH_STEP, _PIXELS, _MOST_STEPS = 1.05, 1.1, 8, 12
_Price: TypeAlias = Callable[[Iterable[Candidate]], tuple[FrontPoint, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompoundPoint:
    """EfficientNet-B0 scaled by the compound rule.

    Attributes:
        phi: compound coefficient, the largest one inside the budget.
        point: its network with predicted figures.
    """

    phi: float
    point: FrontPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalings:
    """What fits a budget on a device.

    Attributes:
        budget: the limits.
        device: the device.
        points: of each network the candidate with the highest expected accuracy, best first.
        compound: what the compound rule gives for EfficientNet; None if that is not asked for, or does not fit at any
            phi from -4.
    """

    budget: Budget
    device: Device
    points: tuple[FrontPoint, ...]
    compound: CompoundPoint | None

    def to_dict(self) -> dict[str, Any]:
        """The scalings, as JSON-ready values."""
        compound = self.compound
        return {
            "schema": SCHEMA,
            "edgekit": __version__,
            "budget": budget_values(self.budget),
            "device": device_values(self.device),
            "scalings": [point_values(point, self.budget) for point in self.points],
            "compound": compound and {"phi": compound.phi} | point_values(compound.point, self.budget),
        }


def scalings(
    networks: Sequence[str] = (),
    *,
    budget: Budget,
    device: Device,
    precisions: Sequence[str] = ("float32", "int8"),
    progress: StageProgress = no_progress,
) -> Scalings:
    """Find the width, depth and resolution of each network that fit a budget, for photos of 1,000 classes.

    Args:
        networks: names of networks or families, for which widths, depths and resolutions between those of the space
            are tried, too; all that scale by default.
        budget: the limits.
        device: from `device_named`.
        precisions: "float32", "int8" or both.
        progress: called with a stage, its finished steps and their number.

    Returns:
        The best candidate of each network by the accuracy that its published relatives suggest.

    Raises:
        SpecError: a network is unknown, an argument has the wrong type, or nothing fits; the message then names the
            nearest candidate.

    Example:
        >>> from edgekit.fit import Budget, device_named, scalings
        >>> found = scalings(["mobilenet_v1"], budget=Budget(latency_ms=20.0), device=device_named("pi.json"))
        >>> [point.candidate.network for point in found.points]
        ['mobilenet_v1']
    """
    check_types(Budget, budget=budget)
    check_types(Device, device=device)
    traces = Traces()
    space = candidates(classes=_CLASSES, image_size=_IMAGE_SIZE, networks=networks, precisions=precisions)
    points = predicted_points(space, device=device, traces=traces, progress=progress)

    def price(found: Iterable[Candidate]) -> tuple[FrontPoint, ...]:
        return predicted_points(found, device=device, traces=traces)

    inside = sorted((point for point in points if budget.admits(point.figures)), key=lambda point: -point.prior)
    if not inside:
        raise infeasible(points, budget)
    best: dict[str, FrontPoint] = {}
    for point in inside:
        best.setdefault(point.candidate.network, point)
    compound = _compound(points, budget, price)
    if compound is not None:
        best[_COMPOUND] = max(compound.point, best.get(_COMPOUND, compound.point), key=lambda point: point.prior)
    if networks:
        step = step_counter(progress, "refining", len(best))
        for network, point in best.items():
            best[network] = _refined(point, budget, price) if _is_scaled(space, network) else point
            step()
    return Scalings(
        budget=budget,
        device=device,
        points=tuple(sorted(best.values(), key=lambda point: -point.prior)),
        compound=compound,
    )


def _compound(points: Sequence[FrontPoint], budget: Budget, price: _Price) -> CompoundPoint | None:
    """The largest phi of the compound rule inside the budget, in the precision that is expected to be best."""
    found = []
    for template in {p.candidate.precision: p.candidate for p in points if p.candidate.network == _COMPOUND}.values():
        plain = replace(template, activation="")

        def point(phi: float, plain: Candidate = plain) -> FrontPoint:
            return price((compound(phi, plain),))[0]

        fitting = bisect_right(_PHIS, 0.0, key=lambda phi: budget.excess(point(phi).figures))
        if fitting:
            found.append(CompoundPoint(phi=_PHIS[fitting - 1], point=point(_PHIS[fitting - 1])))
    return max(found, key=lambda one: one.point.prior, default=None)


def _is_scaled(space: Sequence[Candidate], network: str) -> bool:
    return len({candidate.width_mult for candidate in space if candidate.network == network}) > 1


def _refined(point: FrontPoint, budget: Budget, price: _Price) -> FrontPoint:
    """The best that small steps of width, depth and resolution lead to, all three at once, inside the budget."""
    for _ in range(_MOST_STEPS):
        start = point.candidate
        neighbors = price(
            replace(
                start,
                width_mult=start.width_mult * _WIDTH_STEP**width,
                depth_mult=start.depth_mult * _DEPTH_STEP**depth,
                resolution=start.resolution + _PIXELS * pixels,
            )
            for width, depth, pixels in product((-1, 0, 1), repeat=3)
            if start.resolution + _PIXELS * pixels >= PHOTO_PX
        )
        better = max((p for p in neighbors if budget.admits(p.figures)), key=lambda p: p.prior, default=point)
        if better.prior <= point.prior:
            break
        point = better
    return point
