"""The learning rate as a function of progress."""

from __future__ import annotations

import math

from edgekit.train.settings import Optimize


def learning_rate(optimize: Optimize, epoch: float) -> float:
    """Linear warmup from 0 to the peak, then the schedule.

    epoch: fractional, from 0 to optimize.epochs. cosine: one half wave to 0 (Loshchilov and Hutter 2017, arXiv
    1608.03983). step: times step_factor after every step_every epochs, counted from the start.
    """
    if epoch < optimize.warmup_epochs:
        return optimize.learning_rate * epoch / optimize.warmup_epochs
    if optimize.schedule == "constant":
        return optimize.learning_rate
    if optimize.schedule == "step":
        return optimize.learning_rate * math.pow(optimize.step_factor, epoch // optimize.step_every)
    share = (epoch - optimize.warmup_epochs) / max(optimize.epochs - optimize.warmup_epochs, 1e-9)
    return optimize.learning_rate * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
