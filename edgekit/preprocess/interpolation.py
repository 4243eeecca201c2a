"""Resizing without antialiasing, in the arithmetic of torch and of TensorFlow.

Along each axis, output pixel i lies at source coordinate x = (i + 0.5) * scale - 0.5 with scale = extent / resized
extent, and is a weighted sum of the source pixels around x, its taps. f = floor(x) and t = x - f:

- bilinear, in both: x is at least 0; pixels f, f + 1 with weights 1 - t, t. An index beyond the last pixel means that.
- bicubic, torch: pixels f - 1 to f + 2 with the weights of Keys' kernel k at their distances from x, a = -0.75. An
  index outside the image means the pixel at its border.
- bicubic, TensorFlow: a = -0.5; t is first rounded to a multiple of 1 / 1024, half to even. A pixel outside the image
  has weight 0, and the weights are divided by their sum.
- lanczos, TensorFlow: the pixels within 3 of x, at most 7, with weights 3 sin(pi d) sin(pi d / 3) / (pi d)^2 at
  distance d, 1 for d <= 0.001; here x + 0.5 = (i + 0.5) / scale with scale = resized extent / extent. Pixels outside
  the image as for bicubic.
- nearest: one pixel, in torch floor(i * scale), in TensorFlow floor((i + 0.5) * scale), at most the last.

Keys 1981, "Cubic convolution interpolation for digital image processing", equations 4 and 15: k(d) = (a + 2) d^3 -
(a + 3) d^2 + 1 for d <= 1, and a d^3 - 5 a d^2 + 8 a d - 4 a for 1 < d < 2.

Coordinates and weights are float32 after each operation: at a coordinate of 2000, rounding alone moves a pixel by up to
0.0001, and the libraries round so. Both axes are summed in float32, first across, then down. The result is rounded half
to even and clamped to 0..255.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from edgekit.image.size import Size
from edgekit.image.source import Pixels
from edgekit.preprocess.crops import Box

if TYPE_CHECKING:
    import numpy.typing as npt

Floats: TypeAlias = "npt.NDArray[np.float32]"
Indexes: TypeAlias = "npt.NDArray[np.int64]"

_HALF = np.float32(0.5)
_TABLE_SIZE = np.float32(1024)  # TensorFlow reads the weights of bicubic from a table
_LANCZOS_RADIUS = 3


class Taps(NamedTuple):
    """The source pixels that each output pixel along one axis is a weighted sum of.

    Attributes:
        indexes: int64 (outputs, taps), within the source.
        weights: float32 (outputs, taps).
    """

    indexes: Indexes
    weights: Floats


def interpolated(pixels: Pixels, size: Size, box: Box, *, interpolation: str, resampler: str) -> Pixels:
    """A box of the resized image. Only the rows and columns that it needs are read.

    Args:
        pixels: the whole image, uint8 (height, width) or (height, width, channels).
        size: size of the resized image.
        box: the part of it that is computed, within it.
        interpolation: nearest, bilinear, bicubic or, with resampler tensorflow, lanczos.
        resampler: "torch" or "tensorflow".

    Returns:
        uint8, with the size of the box and the channels of `pixels`.
    """
    taps = _TAPS[resampler, interpolation]
    down = taps(np.arange(box.top, box.bottom), pixels.shape[0], size.height)
    across = taps(np.arange(box.left, box.right), pixels.shape[1], size.width)
    needed, places = np.unique(down.indexes, return_inverse=True)
    rows = _weighted_sum(pixels[needed], across, axis=1)
    values = _weighted_sum(rows, Taps(places.reshape(down.indexes.shape), down.weights), axis=0)
    return values if values.dtype == np.uint8 else np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _weighted_sum(values: npt.NDArray[Any], taps: Taps, *, axis: int) -> npt.NDArray[Any]:
    """The output pixels along one axis. A single tap has weight 1."""
    if taps.indexes.shape[1] == 1:
        return np.asarray(values.take(taps.indexes[:, 0], axis))
    shape = [-1 if dimension == axis else 1 for dimension in range(values.ndim)]
    products = (
        values.take(indexes, axis) * weights.reshape(shape)
        for indexes, weights in zip(taps.indexes.T, taps.weights.T, strict=True)
    )
    total = np.asarray(next(products))
    for product in products:
        total += product
    return total


def _torch_nearest(outputs: Indexes, extent: int, resized: int) -> Taps:
    return _single(outputs.astype(np.float32) * _scale(extent, resized), extent)


def _tensorflow_nearest(outputs: Indexes, extent: int, resized: int) -> Taps:
    return _single((outputs.astype(np.float32) + _HALF) * _scale(extent, resized), extent)


def _single(coordinates: Floats, extent: int) -> Taps:
    indexes = np.minimum(coordinates.astype(np.int64), extent - 1)[:, None]
    return Taps(indexes, np.ones(indexes.shape, np.float32))


def _bilinear(outputs: Indexes, extent: int, resized: int) -> Taps:
    coordinates = np.maximum(_coordinates(outputs, extent, resized), np.float32(0))
    floors = np.floor(coordinates)
    share = coordinates - floors
    indexes = np.minimum(_around(floors, 0, 1), extent - 1)
    return Taps(indexes, np.stack([1 - share, share], axis=1))


def _torch_bicubic(outputs: Indexes, extent: int, resized: int) -> Taps:
    coordinates = _coordinates(outputs, extent, resized)
    floors = np.floor(coordinates)
    weights = _keys_weights(coordinates - floors, np.float32(-0.75))
    return Taps(np.clip(_around(floors, -1, 2), 0, extent - 1), weights)


def _tensorflow_bicubic(outputs: Indexes, extent: int, resized: int) -> Taps:
    coordinates = _coordinates(outputs, extent, resized)
    floors = np.floor(coordinates)
    share = np.rint((coordinates - floors) * _TABLE_SIZE) / _TABLE_SIZE
    return _within(_around(floors, -1, 2), _keys_weights(share, np.float32(-0.5)), extent)


def _tensorflow_lanczos(outputs: Indexes, extent: int, resized: int) -> Taps:
    inverse = np.float32(1 / np.float64(_scale(resized, extent)))
    centers = (outputs.astype(np.float32) + _HALF) * inverse
    indexes = _around(np.ceil(centers - _LANCZOS_RADIUS - _HALF), 0, 2 * _LANCZOS_RADIUS)
    distance = np.abs(indexes.astype(np.float32) + _HALF - centers[:, None])
    angle = np.float32(np.pi) * np.maximum(distance, np.float32(1e-3))
    weights = _LANCZOS_RADIUS * np.sin(angle) * np.sin(angle / _LANCZOS_RADIUS) / (angle * angle)
    weights[distance <= 1e-3] = 1
    weights[distance > _LANCZOS_RADIUS] = 0
    return _within(indexes, weights, extent)


def _scale(extent: int, resized: int) -> np.float32:
    return np.float32(extent) / np.float32(resized)


def _coordinates(outputs: Indexes, extent: int, resized: int) -> Floats:
    return (outputs.astype(np.float32) + _HALF) * _scale(extent, resized) - _HALF


def _around(floors: Floats, first: int, last: int) -> Indexes:
    """(outputs, taps): the indexes from floor + first to floor + last."""
    return floors.astype(np.int64)[:, None] + np.arange(first, last + 1)


def _keys_weights(share: Floats, a: np.float32) -> Floats:
    """Keys' kernel for the four pixels around a coordinate that lies `share` beyond the second of them."""
    distance = np.stack([share + 1, share, 1 - share, 2 - share], axis=1)
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, far)


def _within(indexes: Indexes, weights: Floats, extent: int) -> Taps:
    """Taps that leave out the pixels outside the image."""
    weights = np.where((indexes >= 0) & (indexes < extent), weights, np.float32(0))
    return Taps(np.clip(indexes, 0, extent - 1), weights * (1 / weights.sum(axis=1, keepdims=True)))


_TAPS: Mapping[tuple[str, str], Callable[[Indexes, int, int], Taps]] = {
    ("torch", "nearest"): _torch_nearest,
    ("torch", "bilinear"): _bilinear,
    ("torch", "bicubic"): _torch_bicubic,
    ("tensorflow", "nearest"): _tensorflow_nearest,
    ("tensorflow", "bilinear"): _bilinear,
    ("tensorflow", "bicubic"): _tensorflow_bicubic,
    ("tensorflow", "lanczos"): _tensorflow_lanczos,
}
