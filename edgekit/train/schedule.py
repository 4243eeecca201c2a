"""The learning rate as a function of progress."""

from __future__ import annotations

import math

from edgekit.train.settings import Optimize


def learning_rate(optimize: Optimize, epoch: float) -> float:
    """Linear warmup from 0 to the peak, then the schedule.

    epoch: fractional, from 0 to optimize.epochs. cosine: half a wave to 0, and another from each of the restarts, whose
    peak is restart_factor times the one before (Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5). step: times
    step_factor after every step_every epochs, counted from the start.
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
