"""How floats become 8-bit integers: the scales of weights and activations, and the rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from edgekit.graph.index import is_depthwise, output_axis
from edgekit.preprocess.scores import Floats
from edgekit.quantize.ranges import LEVELS, Range
from edgekit.quantize.targets import ActivationType

_LAST_LEVEL = 127  # of a weight, either way
_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFormat:
    """The integers that weights are rounded to, and those of the activations that they are multiplied with.

    per_channel: one scale for each output channel. saturating: sums of two products must fit into 16 bits
    (`Target.saturating`), which is exact on any processor.
    """

    per_channel: bool = True
    activations: ActivationType = "uint8"
    saturating: bool = True


def weight_scales(node: NodeProto, weights: Floats, *, weight_format: WeightFormat) -> npt.NDArray[np.float32]:
    """One scale for each output channel of the node, or one for all: the largest value becomes the last level.

    That is the largest absolute weight, or for a saturating processor the largest sum of two weights whose products
    are added first. So 127 + 0.5 + 0.5 times an activation of 255 is the most that such a sum comes to, and fits.
    """
    if weight_format.saturating and not is_depthwise(node, weights.shape):  # depthwise kernels add in 32 bits
        largest = _pair_sums(node, weights)
    else:
        largest = np.abs(weights).max(axis=tuple(a for a in range(weights.ndim) if a != output_axis(node)))
    largest = np.atleast_1d(largest if weight_format.per_channel else largest.max()).astype(np.float32)
    return np.where(largest > 0, largest / np.float32(_LAST_LEVEL), np.float32(1)).astype(np.float32)


def _pair_sums(node: NodeProto, weights: Floats) -> Floats:
    """By output channel the largest absolute sum of two weights of one sign that are neighbors in the product.

    There the input channels lie together (onnxruntime's integer convolutions take channels last) and two of them are
    multiplied and added in one instruction.
    """
    by_output = np.moveaxis(weights, output_axis(node), 0)
    rows = np.moveaxis(by_output, 1, -1).reshape(len(by_output), -1)
    pairs = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
    sums = [np.maximum(sign * pairs, 0).sum(axis=2).max(axis=1) for sign in (1, -1)]
    return np.asarray(np.maximum(*sums))


def rounded_weights(node: NodeProto, weights: Floats, *, scales: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """The integers nearest to the weights, symmetric around zero."""
    levels = np.round(weights / along_axis(scales, output_axis(node), ndim=weights.ndim))
    return np.clip(levels, -_LAST_LEVEL, _LAST_LEVEL).astype(np.int8)


def dequantized_weights(node: NodeProto, weights: Floats, *, weight_format: WeightFormat) -> npt.NDArray[np.float32]:
    """The values that the rounded weights stand for."""
    scales = weight_scales(node, weights, weight_format=weight_format)
    integers = rounded_weights(node, weights, scales=scales)
    return integers * along_axis(scales, output_axis(node), ndim=weights.ndim)


def along_axis(values: npt.NDArray[_Scalar], axis: int, *, ndim: int) -> npt.NDArray[_Scalar]:
    """One value for each channel, in the shape that broadcasts along that axis of `ndim`."""
    return values.reshape([-1 if a == axis else 1 for a in range(ndim)])


def activation_scale(limits: Range, integers: ActivationType) -> tuple[float, int]:
    """Scale and zero point of an activation: a range from zero starts at the lowest integer, so clipping is free."""
    scale = float(np.float32(limits.step)) or 1.0
    lowest = 0 if integers == "uint8" else -LEVELS // 2
    return scale, int(np.clip(round(lowest - limits.lowest / scale), lowest, lowest + LEVELS - 1))
