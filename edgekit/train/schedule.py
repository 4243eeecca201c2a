"""The learning rate as a function of progress."""

from __future__ import annotations

import math

from edgekit.train.recipe import Optimize


def learning_rate(optimize: Optimize, epoch: float) -> float:
    """Linear warmup from 0 to the peak, then one cosine to 0 (Loshchilov and Hutter 2017, arXiv 1608.03983).

    epoch: fractional, from 0 to optimize.epochs.
    """
    if epoch < optimize.warmup_epochs:
        return optimize.learning_rate * epoch / optimize.warmup_epochs
    share = (epoch - optimize.warmup_epochs) / max(optimize.epochs - optimize.warmup_epochs, 1e-9)
    return optimize.learning_rate * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
