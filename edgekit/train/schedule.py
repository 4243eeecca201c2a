"""The learning rate schedule."""

from __future__ import annotations

import math
from typing import Any

from edgekit.train.recipe import Recipe
from edgekit.train.settings import Optimize

_SCHEDULE = ("epochs", "schedule", "step_every", "step_factor", "restarts", "restart_factor")
_POINTS = 64  # of an epoch, at which two schedules are compared


def learning_rate(optimize: Optimize, epoch: float) -> float:
    """The learning rate at an epoch: linear warmup from 0 to the peak, then the schedule.

    cosine falls to 0 by half a cosine wave, and again from each restart, whose peak is `restart_factor` times the one
    before (Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5). The step that ends at a restart is the last of
    the cycle before it. step multiplies the rate by `step_factor` every `step_every` epochs, counted from the start.
    constant stays at the peak.

    Args:
        optimize: the [optimize] section of the recipe.
        epoch: fractional epoch, 0 to `optimize.epochs`.
    """
    if epoch < optimize.warmup_epochs:
        return optimize.learning_rate * epoch / optimize.warmup_epochs
    if optimize.schedule == "constant":
        return optimize.learning_rate
    if optimize.schedule == "step":
        return optimize.learning_rate * math.pow(optimize.step_factor, epoch // optimize.step_every)
    return _cosine(optimize, epoch)


def _cosine(optimize: Optimize, epoch: float) -> float:
    bounds = (optimize.warmup_epochs, *optimize.restarts, optimize.epochs)
    cycle = sum(epoch > start for start in optimize.restarts)
    share = (epoch - bounds[cycle]) / max(bounds[cycle + 1] - bounds[cycle], 1e-9)
    peak = optimize.learning_rate * math.pow(optimize.restart_factor, cycle)
    return peak * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def extends(longer: Recipe, shorter: Recipe, *, epoch: int) -> bool:
    """Whether a run of one recipe that has reached an epoch can go on as a run of another one.

    Both must be the same but for the schedule, and both schedules the same until that epoch: a constant one of more
    epochs, or a cosine that restarts where the shorter run ended. An uninterrupted run of the longer recipe then has
    the same weights. Crops that grow with the share of the epochs (`progressive`) would have had other sizes.

    Args:
        longer: the recipe to go on with.
        shorter: the recipe of the run.
        epoch: number of epochs that the run has finished or begun.
    """
    if _without_schedule(longer) != _without_schedule(shorter) or longer.augment.progressive:
        return False
    points = (point / _POINTS for point in range(1, epoch * _POINTS + 1))
    return all(learning_rate(longer.optimize, point) == learning_rate(shorter.optimize, point) for point in points)


def _without_schedule(recipe: Recipe) -> dict[str, Any]:
    values = recipe.to_dict()
    if "optimize" in values:  # not of a head that is solved for
        values["optimize"] = {name: value for name, value in values["optimize"].items() if name not in _SCHEDULE}
    return values
