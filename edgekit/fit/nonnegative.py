"""Least squares without negative entries: Lawson and Hanson 1974, Solving Least Squares Problems, chapter 23."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Reals: TypeAlias = "npt.NDArray[np.float64]"

_TOLERANCE = 1e-9  # of a gradient, relative to the largest


def nonnegative_least_squares(matrix: Reals, target: Reals) -> Reals:
    """The x without negative entries that minimizes the length of matrix @ x - target.

    Args:
        matrix: float64 (rows, columns); columns of zeros get 0.
        target: float64 (rows,).
    """
    scale = np.linalg.norm(matrix, axis=0)
    scale[scale == 0] = 1.0
    scaled = matrix / scale
    products, moments = scaled.T @ scaled, scaled.T @ target  # small: a few dozen columns
    count = matrix.shape[1]
    x, active = np.zeros(count), np.zeros(count, bool)
    limit = _TOLERANCE * max(float(np.abs(moments).max(initial=0.0)), 1e-300)
    for _ in range(10 * count):
        gradient = np.where(active, -np.inf, moments - products @ x)
        if gradient.max(initial=-np.inf) <= limit:
            break
        active[int(gradient.argmax())] = True
        while True:
            solution = np.zeros(count)
            solution[active] = np.linalg.solve(products[np.ix_(active, active)], moments[active])
            falling = active & (solution <= 0)
            if not falling.any():
                break
            share = float((x[falling] / np.maximum(x[falling] - solution[falling], 1e-300)).min())
            x = x + share * (solution - x)
            active &= x > 1e-14 * max(float(x.max()), 1e-300)
            x[~active] = 0.0
        x = solution
    result: Reals = x / scale
    return result
