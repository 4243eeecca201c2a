"""Minimization of several convex functions at once by L-BFGS (Nocedal and Wright 2006, algorithm 7.4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

_MEMORY = 10  # pairs of steps and changes of the gradient; 5 needed 1.3 times the evaluations, 20 as many as 10
_HALVINGS = 15
_SUFFICIENT_DECREASE = 1e-4
_MAX_ITERATIONS = 1000


class _Pair(NamedTuple):
    step: Tensor
    change: Tensor  # of the gradient
    curvature: Tensor  # 1 / (step . change); 0 for a function that did not move


def minimize(
    function: Callable[[Tensor], tuple[Tensor, Tensor]],
    start: Tensor,
    *,
    inverse_curvature: Tensor,
    tolerance: float,
) -> Tensor:
    """Minimize convex functions, each of its own parameters.

    They share one evaluation per step, because a product with a wide matrix costs less than several with narrow ones.
    The step is halved until the function decreases enough; convexity makes the curvature condition hold.

    Args:
        function: maps parameters, as `start`, to the values (functions,) and the gradients, as `start`.
        start: floating point (functions, parameters), the parameters to start from.
        inverse_curvature: estimates of the inverse of each second derivative, that broadcast with `start`.
        tolerance: a function is finished when it can be expected to decrease by no more than this.

    Returns:
        The parameters at the minima, as `start`.
    """
    parameters, pairs = start, deque[_Pair](maxlen=_MEMORY)
    values, gradients = function(parameters)
    finished = torch.zeros_like(values, dtype=torch.bool)
    for _ in range(_MAX_ITERATIONS):
        directions = _directions(gradients, pairs, inverse_curvature)
        slopes = _dot(gradients, directions)
        finished = finished | ~(-slopes > tolerance)  # also if they are not finite
        steps = torch.where(finished, 0.0, torch.ones_like(values))
        for _ in range(_HALVINGS):
            if finished.all():
                return parameters
            moved = parameters + steps[:, None] * directions
            new_values, new_gradients = function(moved)
            enough = finished | (new_values <= values + _SUFFICIENT_DECREASE * steps * slopes)
            if enough.all():
                break
            steps = torch.where(enough, steps, steps / 2)
        finished = finished | ~enough  # no decrease is left that this precision resolves
        moved, new_gradients = (
            torch.where(finished[:, None], old, new) for old, new in ((parameters, moved), (gradients, new_gradients))
        )
        step, change = moved - parameters, new_gradients - gradients
        product = _dot(step, change)
        pairs.append(_Pair(step, change, torch.where(product > 0, 1 / product, 0.0)))
        parameters, values, gradients = moved, torch.where(finished, values, new_values), new_gradients
    return parameters


def _directions(gradients: Tensor, pairs: deque[_Pair], inverse_curvature: Tensor) -> Tensor:
    """Minus the approximate inverse Hessian times the gradients: the two loops of algorithm 7.4."""
    directions, factors = -gradients, []
    for step, change, curvature in reversed(pairs):
        factors.append(curvature * _dot(step, directions))
        directions = directions - factors[-1][:, None] * change
    directions = directions * inverse_curvature
    for (step, change, curvature), factor in zip(pairs, reversed(factors), strict=True):
        directions = directions + (factor - curvature * _dot(change, directions))[:, None] * step
    return directions


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(1)
