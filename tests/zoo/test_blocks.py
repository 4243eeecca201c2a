"""Building blocks that several papers share."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgekit.errors import SpecError
from edgekit.zoo.blocks import (
    ACTIVATIONS,
    ConvNormAct,
    GlobalAveragePool,
    ReLU6,
    activation_named,
    check_strides,
    conv,
    he_normal,
    round_channels,
    scaled_depth,
)


@pytest.mark.parametrize(
    ("extent", "kernel", "before", "after"),
    [(8, 3, 0, 1), (9, 3, 1, 1), (8, 5, 1, 2), (9, 5, 2, 2), (1, 3, 1, 1), (2, 5, 1, 2)],
)
def test_conv_with_tf_same_padding_pads_less_at_the_start(extent, kernel, before, after):
    """By hand from TensorFlow's formula: for stride 2, total = (ceil(extent / 2) - 1) * 2 + kernel - extent."""
    layer = conv(2, 3, kernel=kernel, stride=2, padding="tf_same")
    x = torch.randn(1, 2, extent, extent)

    expected = F.conv2d(F.pad(x, (before, after, before, after)), layer.weight, stride=2)

    assert torch.equal(layer(x), expected)
    assert expected.shape[-2:] == (-(-extent // 2),) * 2


def test_conv_raises_for_an_unknown_padding_with_a_suggestion():
    with pytest.raises(SpecError, match="did you mean tf_same"):
        conv(2, 3, kernel=3, stride=2, padding="same")


@pytest.mark.parametrize(
    ("channels", "rounded"), [(32, 32), (35.2, 32), (36, 40), (11, 16), (18, 24), (3, 8), (0.1, 8), (1408.0, 1408)]
)
def test_round_channels_rounds_to_multiples_of_8_and_at_least_90_percent(channels, rounded):
    assert round_channels(channels) == rounded


@pytest.mark.parametrize(("layers", "depth_mult", "scaled"), [(3, 1.0, 3), (3, 1.1, 4), (4, 0.5, 2), (1, 0.01, 1)])
def test_scaled_depth_rounds_up(layers, depth_mult, scaled):
    assert scaled_depth(layers, depth_mult) == scaled


def test_activation_named_has_the_published_functions():
    x = torch.linspace(-8, 8, 33)
    expected = {
        "relu": x.clamp(min=0),
        "relu6": x.clamp(0, 6),
        "silu": x * torch.sigmoid(x),
        "hard_swish": x * (x + 3).clamp(0, 6) / 6,
    }
    assert expected.keys() == ACTIVATIONS.keys()
    for name, values in expected.items():
        torch.testing.assert_close(activation_named(name)()(x.clone()), values)


def test_relu6_has_the_result_and_gradient_of_torch_and_keeps_only_the_result():
    """Also at both ends of the range, and for what is not a number."""
    values = torch.tensor([-float("inf"), -1.0, -0.0, 0.0, 1e-9, 3.0, 5.999999, 6.0, 6.000001, float("nan")])
    gradient = torch.arange(1.0, 11.0)
    results = {}
    for layer in (ReLU6(), nn.ReLU6()):
        leaf = values.clone().requires_grad_()
        x = leaf * 1
        result = layer(x)
        result.backward(gradient)
        results[type(layer)] = (result.detach(), leaf.grad, result.data_ptr() == x.data_ptr())

    (ours, our_gradient, in_place), (theirs, their_gradient, _) = results[ReLU6], results[nn.ReLU6]
    assert torch.equal(ours.nan_to_num(7), theirs.nan_to_num(7))
    assert torch.equal(our_gradient, their_gradient)
    assert in_place


@pytest.mark.parametrize("training", [True, False])
def test_relu6_changes_no_input_that_is_not_trained(training):
    """Unless that is asked for, as for torch's."""
    x = torch.tensor([-1.0, 7.0], requires_grad=not training)

    assert ReLU6().train(training)(x).tolist() == [0.0, 6.0]
    assert x.tolist() == [-1.0, 7.0]


def test_global_average_pool_has_a_gradient_in_the_layout_of_its_input():
    gradients = []
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last).requires_grad_()
    y = x * 1
    pooled = GlobalAveragePool()(y)
    y.register_hook(gradients.append)  # after that of the layer

    pooled.sum().backward()

    assert torch.equal(x.grad, torch.full((2, 3, 4, 5), 1 / 20))
    assert gradients[-1].is_contiguous(memory_format=torch.channels_last)


def test_check_strides_refuses_other_strides_and_another_number_of_them():
    check_strides(1, [2, 1], stages=2)
    for stem_stride, stage_strides in ((0, [1, 2]), (1, [1, 3]), (1, [1]), (1, [1, 1, 1])):
        with pytest.raises(SpecError, match="`stem_stride` must be 1 or 2 and `stage_strides` 2 values of 1 or 2"):
            check_strides(stem_stride, stage_strides, stages=2)


def test_conv_norm_act_has_a_bias_only_without_a_norm():
    assert [name for name, _ in ConvNormAct(1, 2, kernel=1).named_parameters()] == [
        "conv.weight",
        "norm.weight",
        "norm.bias",
    ]
    assert [name for name, _ in ConvNormAct(1, 2, kernel=1, norm=None).named_parameters()] == [
        "conv.weight",
        "conv.bias",
    ]


def test_he_normal_keeps_the_variance_through_relu():
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(512, 512), nn.ReLU()) for _ in range(10)]
    network = he_normal(nn.Sequential(*layers))
    x = torch.randn(64, 512)

    with torch.inference_mode():
        gain = network(x).square().mean() / x.square().mean()

    assert gain.item() == pytest.approx(1, rel=0.5)  # with torch's own initialization, it is 6**-10
