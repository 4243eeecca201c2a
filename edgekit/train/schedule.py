"""The learning rate schedule."""

from __future__ import annotations

import math

from edgekit.train.settings import Optimize


def learning_rate(optimize: Optimize, epoch: float) -> float:
    """The learning rate at an epoch: linear warmup from 0 to the peak, then the schedule.

    cosine falls to 0 by half a cosine wave, and again from each restart, whose peak is `restart_factor` times the one
    before (Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5). step multiplies the rate by `step_factor` every
    `step_every` epochs, counted from the start. constant stays at the peak.

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
    cycle = sum(epoch >= start for start in optimize.restarts)
    share = (epoch - bounds[cycle]) / max(bounds[cycle + 1] - bounds[cycle], 1e-9)
    peak = optimize.learning_rate * math.pow(optimize.restart_factor, cycle)
    return peak * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
