"""How weights and activations of ONNX nodes become 8-bit integers; the arithmetic is in `artifact.integer_weights`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from edgekit.artifact import integer_weights
from edgekit.artifact.integer_weights import along_axis
from edgekit.graph.index import is_depthwise, output_axis
from edgekit.preprocess.scores import Floats
from edgekit.quantize.ranges import LEVELS, Range
from edgekit.runtime.targets import ActivationType


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
    """Compute the scales of the weights of a Conv, Gemm or MatMul, as `integer_weights.weight_scales` defines them.

    Args:
        node: Conv, Gemm or MatMul.
        weights: its float weights, as they are stored.
        weight_format: format to round them to.

    Returns:
        float32 (output channels,), or (1,) if one scale is used for all channels.
    """
    return integer_weights.weight_scales(
        weights,
        output_axis=output_axis(node),
        per_channel=weight_format.per_channel,
        in_pairs=weight_format.saturating and not is_depthwise(node, weights.shape),  # depthwise kernels add in 32 bits
    )


def rounded_weights(node: NodeProto, weights: Floats, *, scales: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Round weights to int8, symmetric around zero, in the shape that they are stored in."""
    return integer_weights.rounded_weights(weights, output_axis=output_axis(node), scales=scales)


def dequantized_weights(node: NodeProto, weights: Floats, *, weight_format: WeightFormat) -> npt.NDArray[np.float32]:
    """The float32 values that the weights have after rounding."""
    scales = weight_scales(node, weights, weight_format=weight_format)
    integers = rounded_weights(node, weights, scales=scales)
    return integers * along_axis(scales, output_axis(node), ndim=weights.ndim)


def activation_scale(limits: Range, integers: ActivationType) -> tuple[float, int]:
    """The scale and zero point of an activation.

    A range that starts at 0 starts at the lowest integer, so that clipping to that range replaces a Relu at no cost.
    """
    scale = float(np.float32(limits.step)) or 1.0
    lowest = 0 if integers == "uint8" else -LEVELS // 2
    return scale, int(np.clip(round(lowest - limits.lowest / scale), lowest, lowest + LEVELS - 1))
