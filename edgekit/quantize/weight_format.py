"""How floats become 8-bit integers: the scales of weights and activations, and the rounding of weights."""

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

_MAX_LEVEL = 127  # weights are integers from -127 to 127, symmetric around zero
_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFormat:
    """The integer format of weights, and of the activations that they are multiplied by.

    Attributes:
        per_channel: use one weight scale per output channel, not one per layer.
        activations: integer type of the activations.
        saturating: choose scales at which the sum of two products fits into 16 bits (see `Target.saturating`); such
            weights are exact on any processor.
    """

    per_channel: bool = True
    activations: ActivationType = "uint8"
    saturating: bool = True


def weight_scales(node: NodeProto, weights: Floats, *, weight_format: WeightFormat) -> npt.NDArray[np.float32]:
    """Compute the scales of a node's weights: the largest magnitude of a channel becomes level 127.

    The magnitude is the largest absolute weight or, on a saturating processor, the largest absolute sum of two weights
    whose products are added in 16 bits. Rounded, such a sum is at most 127 + 0.5 + 0.5 levels; times the largest
    activation, 255, that is 32,640, which fits.

    Args:
        node: Conv, Gemm or MatMul.
        weights: its float weights, as they are stored.
        weight_format: format to round them to.

    Returns:
        float32 (output channels,), or (1,) if one scale is used for all channels.
    """
    if weight_format.saturating and not is_depthwise(node, weights.shape):  # depthwise kernels add in 32 bits
        largest = _pair_sums(node, weights)
    else:
        largest = np.abs(weights).max(axis=tuple(a for a in range(weights.ndim) if a != output_axis(node)))
    largest = np.atleast_1d(largest if weight_format.per_channel else largest.max()).astype(np.float32)
    return np.where(largest > 0, largest / np.float32(_MAX_LEVEL), np.float32(1)).astype(np.float32)


def _pair_sums(node: NodeProto, weights: Floats) -> Floats:
    """The largest absolute sum of two weights of the same sign that one instruction multiplies and adds, by output.

    Those are weights of neighboring input channels: onnxruntime's integer convolutions keep channels last.
    """
    by_output = np.moveaxis(weights, output_axis(node), 0)
    rows = np.moveaxis(by_output, 1, -1).reshape(len(by_output), -1)
    pairs = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
    sums = [np.maximum(sign * pairs, 0).sum(axis=2).max(axis=1) for sign in (1, -1)]
    return np.asarray(np.maximum(*sums))


def rounded_weights(node: NodeProto, weights: Floats, *, scales: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Round weights to int8, symmetric around zero, in the shape that they are stored in."""
    levels = np.round(weights / along_axis(scales, output_axis(node), ndim=weights.ndim))
    return np.clip(levels, -_MAX_LEVEL, _MAX_LEVEL).astype(np.int8)


def dequantized_weights(node: NodeProto, weights: Floats, *, weight_format: WeightFormat) -> npt.NDArray[np.float32]:
    """The float32 values that the weights have after rounding."""
    scales = weight_scales(node, weights, weight_format=weight_format)
    integers = rounded_weights(node, weights, scales=scales)
    return integers * along_axis(scales, output_axis(node), ndim=weights.ndim)


def along_axis(values: npt.NDArray[_Scalar], axis: int, *, ndim: int) -> npt.NDArray[_Scalar]:
    """Reshape one value per channel so that it broadcasts along `axis` of an array with `ndim` axes."""
    return values.reshape([-1 if a == axis else 1 for a in range(ndim)])


def activation_scale(limits: Range, integers: ActivationType) -> tuple[float, int]:
    """The scale and zero point of an activation.

    A range that starts at 0 starts at the lowest integer, so that clipping to that range replaces a Relu at no cost.
    """
    scale = float(np.float32(limits.step)) or 1.0
    lowest = 0 if integers == "uint8" else -LEVELS // 2
    return scale, int(np.clip(round(lowest - limits.lowest / scale), lowest, lowest + LEVELS - 1))
