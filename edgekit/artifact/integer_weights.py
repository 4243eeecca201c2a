"""Arithmetic of 8-bit weights in numpy: batch norm folding, scales, rounding and biases.

The quantizer and the filling of templates share it; the latter runs where neither onnx nor torch is installed.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from edgekit.preprocess.scores import Floats

_MAX_LEVEL = 127  # weights are integers from -127 to 127, symmetric around zero
# An int32 bias has the scale of the input times that of the weights; 2 bits are left for the sum.
_BIAS_LIMIT = 2.0**29
_Scalar = TypeVar("_Scalar", bound=np.generic)


class BatchNorm(NamedTuple):
    """The parameters and statistics of a batch norm, float32 (channels,) each, and its epsilon."""

    weight: Floats
    bias: Floats
    mean: Floats
    variance: Floats
    epsilon: float

    @property
    def scale(self) -> Floats:
        """The factor of each channel, float32 (channels,)."""
        return np.asarray(self.weight / np.sqrt(self.variance + np.float32(self.epsilon)), np.float32)


def folded_weights(weights: Floats, norm: BatchNorm) -> Floats:
    """Fold the batch norm after a convolution into its weights, which have the output channels first."""
    return np.asarray(weights * along_axis(norm.scale, 0, ndim=weights.ndim), np.float32)


def folded_bias(bias: Floats | None, norm: BatchNorm) -> Floats:
    """Fold the batch norm after a convolution into its bias, or into a new one: float32 (channels,)."""
    centered = -norm.mean if bias is None else bias - norm.mean
    return np.asarray(centered * norm.scale + norm.bias, np.float32)


def weight_scales(weights: Floats, *, output_axis: int, per_channel: bool, in_pairs: bool) -> npt.NDArray[np.float32]:
    """Compute the scales of a layer's weights: the largest magnitude of a channel becomes level 127.

    The magnitude is the largest absolute weight or, if products are added in pairs in 16 bits, the largest absolute sum
    of two weights of a pair. Rounded, such a sum is at most 127 + 0.5 + 0.5 levels; times the largest activation, 255,
    that is 32,640, which fits.

    Args:
        weights: float weights; if `in_pairs`, the input channels are on axis 1, or on axis 0 if the outputs are not.
        output_axis: axis of the output channels.
        per_channel: use one scale per output channel, not one for all.
        in_pairs: the processor adds the products of neighboring input channels in 16 bits.

    Returns:
        float32 (output channels,), or (1,) if one scale is used for all channels.
    """
    if in_pairs:
        largest = _pair_sums(weights, output_axis=output_axis)
    else:
        largest = np.abs(weights).max(axis=tuple(a for a in range(weights.ndim) if a != output_axis))
    largest = np.atleast_1d(largest if per_channel else largest.max()).astype(np.float32)
    return np.where(largest > 0, largest / np.float32(_MAX_LEVEL), np.float32(1)).astype(np.float32)


def _pair_sums(weights: Floats, *, output_axis: int) -> Floats:
    """The largest absolute sum of two weights of the same sign that one instruction multiplies and adds, by output.

    Those are weights of neighboring input channels: onnxruntime's integer convolutions keep channels last.
    """
    by_output = np.moveaxis(weights, output_axis, 0)
    rows = np.moveaxis(by_output, 1, -1).reshape(len(by_output), -1)
    pairs = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
    sums = [np.maximum(sign * pairs, 0).sum(axis=2).max(axis=1) for sign in (1, -1)]
    return np.asarray(np.maximum(*sums))


def rounded_weights(weights: Floats, *, output_axis: int, scales: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Round weights to int8, symmetric around zero, in the shape that they are stored in."""
    levels = np.round(weights / along_axis(scales, output_axis, ndim=weights.ndim))
    return np.clip(levels, -_MAX_LEVEL, _MAX_LEVEL).astype(np.int8)


def least_weight_scale(bias: Floats, *, input_scale: float) -> float:
    """The smallest scale of weights at which the layer's bias fits into 32 bits, as that of a dead channel may not."""
    return float(np.abs(bias).max(initial=0.0) / (input_scale * _BIAS_LIMIT))


def bias_scales(scales: npt.NDArray[np.float32], *, input_scale: float) -> npt.NDArray[np.float32]:
    """The scales of an int32 bias. scales: of the weights; input_scale: of the activation that they multiply."""
    return (scales * np.float32(input_scale)).astype(np.float32)


def rounded_bias(bias: Floats, *, scales: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """Round a bias to int32. scales: from `bias_scales`."""
    return np.round(bias.astype(np.float64) / scales).astype(np.int32)


def along_axis(values: npt.NDArray[_Scalar], axis: int, *, ndim: int) -> npt.NDArray[_Scalar]:
    """Reshape one value per channel so that it broadcasts along `axis` of an array with `ndim` axes."""
    return values.reshape([-1 if a == axis else 1 for a in range(ndim)])
