"""Folding of batch norms as torch computes them, and int32 biases that fit."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgekit.artifact.integer_weights import (
    BatchNorm,
    bias_scales,
    folded_bias,
    folded_weights,
    least_weight_scale,
    rounded_bias,
    rounded_weights,
    weight_scales,
)


@pytest.mark.parametrize("has_bias", [True, False])
@torch.inference_mode()
def test_folded_convolution_computes_what_torch_computes_with_the_batch_norm(has_bias):
    torch.manual_seed(0)
    conv, norm = torch.nn.Conv2d(6, 8, 3, groups=2, bias=has_bias), torch.nn.BatchNorm2d(8, eps=1e-3).eval()
    for tensor in (norm.weight, norm.running_var):
        tensor.uniform_(0.5, 1.5)
    for tensor in (norm.bias, norm.running_mean):
        tensor.normal_()
    vectors = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    folded = BatchNorm(*(tensor.numpy() for tensor in vectors), norm.eps)
    weights = folded_weights(conv.weight.numpy(), folded)
    bias = folded_bias(conv.bias.numpy() if has_bias else None, folded)
    assert weights.dtype == bias.dtype == np.float32
    x = torch.randn(2, 6, 9, 9)
    result = torch.nn.functional.conv2d(x, torch.from_numpy(weights), torch.from_numpy(bias), groups=2)
    torch.testing.assert_close(result, norm(conv(x)), rtol=1e-5, atol=1e-5)


@given(magnitude=st.floats(1e-12, 1e6), bias=st.floats(-1e6, 1e6), input_scale=st.floats(1e-6, 1e3))
def test_bias_fits_into_30_bits_even_if_the_weights_of_a_channel_are_tiny(magnitude, bias, input_scale):
    weights, values = np.array([[magnitude, -magnitude / 3]], np.float32), np.array([bias], np.float32)
    scales = weight_scales(weights, output_axis=0, per_channel=True, in_pairs=False)
    scales = np.maximum(scales, least_weight_scale(values, input_scale=input_scale)).astype(np.float32)
    of_bias = bias_scales(scales, input_scale=input_scale)
    integers = rounded_bias(values, scales=of_bias)
    assert abs(int(integers[0])) <= 2**29 * (1 + 1e-6)
    assert abs(integers[0] * np.float64(of_bias[0]) - np.float64(values[0])) <= 0.5001 * of_bias[0]


def test_rounded_weights_of_two_inputs_use_all_levels_unless_their_products_are_added_in_pairs():
    weights = np.array([[1.0, 1.0], [1.0, -1.0]], np.float32)
    for in_pairs, expected in ((False, [[127, 127], [127, -127]]), (True, [[64, 64], [127, -127]])):
        scales = weight_scales(weights, output_axis=0, per_channel=True, in_pairs=in_pairs)
        assert rounded_weights(weights, output_axis=0, scales=scales).tolist() == expected
