"""Scales and rounding of weights and activations: resolution, overflow, and an exact zero."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_networks import conv_network

from edgekit.graph.index import Graph
from edgekit.quantize.ranges import Range
from edgekit.quantize.weight_format import (
    WeightFormat,
    activation_scale,
    dequantized_weights,
    rounded_weights,
    weight_scales,
)


def conv(**attributes: int) -> onnx.NodeProto:
    return onnx.helper.make_node("Conv", ["x", "w"], ["y"], **attributes)


def product(*, transposed: int) -> onnx.NodeProto:
    return onnx.helper.make_node("Gemm", ["x", "w"], ["y"], transB=transposed)


def test_dequantized_weights_are_coarser_with_one_scale_for_all_channels():
    values = np.array(Graph(conv_network()).constant("expand.w"))
    values[0] *= 100  # one large channel leaves few levels to the others
    errors = []
    for per_channel in (True, False):
        rounded = dequantized_weights(conv(), values, weight_format=WeightFormat(per_channel=per_channel))
        errors.append(np.abs(rounded - values)[1:].max())
    assert errors[0] < errors[1] / 20


@pytest.mark.parametrize(
    ("node", "shape", "by_output"),
    [
        (conv(), (5, 7, 3, 3), lambda weights: weights.transpose(0, 2, 3, 1)),
        (conv(group=2), (6, 4, 1, 1), lambda weights: weights.transpose(0, 2, 3, 1)),
        (conv(), (4, 1, 5, 5), lambda weights: weights.transpose(0, 2, 3, 1)),  # one input channel is not depthwise
        (product(transposed=1), (4, 9), lambda weights: weights),
        (product(transposed=0), (9, 4), lambda weights: weights.T),
    ],
    ids=["conv", "grouped", "gray", "transposed", "product"],
)
@pytest.mark.parametrize("per_channel", [True, False])
@given(seed=st.integers(0, 2**32 - 1), spread=st.floats(0.1, 3))
def test_weight_scales_keep_sums_of_two_products_within_16_bits(node, shape, by_output, per_channel, seed, spread):
    rng = np.random.default_rng(seed)
    weights = (rng.choice([-1, 1], shape) * rng.lognormal(0, spread, shape)).astype(np.float32)
    weight_format = WeightFormat(per_channel=per_channel)
    scales = weight_scales(node, weights, weight_format=weight_format)
    integers = by_output(rounded_weights(node, weights, scales=scales).astype(int))
    integers = integers.reshape(4 if 4 in shape else shape[0], -1)
    if integers.shape[1] % 2:
        integers = np.pad(integers, ((0, 0), (0, 1)))
    pairs = integers.reshape(len(integers), -1, 2)
    largest, smallest = (255 * sign(pairs, 0).sum(axis=2) for sign in (np.maximum, np.minimum))
    assert largest.max() <= 2**15 - 1
    assert smallest.min() >= -(2**15)
    assert np.abs(integers).max() >= 63  # at least 7 bits
    errors = dequantized_weights(node, weights, weight_format=weight_format) - weights
    assert np.abs(errors).max() <= 0.5001 * scales.max()


def test_weight_scales_of_depthwise_convolutions_use_all_levels():
    weights = np.ones((6, 1, 3, 3), np.float32)
    scales = weight_scales(conv(group=6), weights, weight_format=WeightFormat())
    assert rounded_weights(conv(group=6), weights, scales=scales).max() == 127


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("limits", [Range(0, 6), Range(-3, 5), Range(-4, 0), Range(0, 0)])
def test_activation_scale_represents_zero_exactly_and_covers_the_range(limits, dtype):
    scale, zero_point = activation_scale(limits, dtype)
    info = np.iinfo(dtype)
    assert info.min <= zero_point <= info.max
    assert scale * (info.max - zero_point) >= limits.highest - scale
    assert scale * (info.min - zero_point) <= limits.lowest + scale
    if limits.lowest == 0:
        assert zero_point == info.min  # so that a Relu can be removed
