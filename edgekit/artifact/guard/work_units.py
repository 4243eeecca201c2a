"""What operations cost. One unit is about a nanosecond on one core of a server of 2024, the worst case measured.

Vectorized kernels, which compute the layers of real networks, do sixteen multiply-adds in that time; scalar ones, to
which ONNX Runtime resorts for integers, and all of them if a matrix is only a few elements wide, do one or less.
"""

from __future__ import annotations

PER_CALL = 256  # of a matrix product, however small: a batch of millions consists of little else
_VECTORIZED, _NARROW = 16, 2


def multiply_adds(count: int, *, least_extent: int, vectorized: bool = True) -> float:
    """Units of a matrix product.

    Args:
        count: its multiply-adds.
        least_extent: the smaller of its output's height and width; narrow products are slower.
        vectorized: whether ONNX Runtime has a fast kernel for its type.
    """
    return count * ((1 / _VECTORIZED if vectorized else 1) + _NARROW / max(least_extent, 1))
