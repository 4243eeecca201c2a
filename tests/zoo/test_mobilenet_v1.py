"""MobileNetV1: its two multipliers, compared with tables 6 and 7 of the paper."""

import pytest
import torch
from torch import nn

from edgekit.errors import SpecError
from edgekit.image.size import Size
from edgekit.zoo.blocks import he_normal
from edgekit.zoo.build import build
from edgekit.zoo.mobilenet_v1 import resolution
from edgekit.zoo.network_cost import network_cost


@pytest.mark.parametrize(("width_mult", "macs_m", "parameters_m"), [(1.0, 569, 4.2), (0.75, 325, 2.6), (0.5, 149, 1.3)])
def test_mobilenet_v1_width_multiplier_costs_as_in_table_6(width_mult, macs_m, parameters_m, hollow):
    cost = network_cost(hollow("mobilenet_v1", width_mult=width_mult), Size(224, 224))

    assert cost.macs / 1e6 == pytest.approx(macs_m, abs=0.5)
    assert cost.parameters / 1e6 == pytest.approx(parameters_m, abs=0.05)


@pytest.mark.parametrize(
    ("numerator", "pixels", "macs_m"), [(7, 224, 569), (6, 192, 418), (5, 160, 290), (4, 128, 186)]
)
def test_mobilenet_v1_resolution_multiplier_costs_as_in_table_7(numerator, pixels, macs_m, hollow):
    assert resolution(numerator / 7) == pixels
    assert network_cost(hollow("mobilenet_v1"), Size(pixels, pixels)).macs / 1e6 == pytest.approx(macs_m, abs=1)


def test_mobilenet_v1_has_13_depthwise_separable_blocks(hollow):
    network = hollow("mobilenet_v1", width_mult=0.25)
    blocks = [stage for name, stage in network.body.named_children() if name.startswith("block")]

    assert len(blocks) == 13
    for block in blocks:
        depthwise, pointwise = (layer for layer in block.modules() if isinstance(layer, nn.Conv2d))
        assert depthwise.kernel_size == (3, 3)
        assert depthwise.groups == depthwise.in_channels == depthwise.out_channels
        assert pointwise.kernel_size == (1, 1)
        assert pointwise.groups == 1


@pytest.mark.parametrize(
    ("depth_mult", "blocks"), [(0.5, [64, 128, 256, 512, 512, 512, 1024]), (0.1, [64, 128, 256, 512, 1024])]
)
def test_mobilenet_v1_depth_multiplier_rounds_the_blocks_of_each_width_up(depth_mult, blocks, hollow):
    children = list(hollow("mobilenet_v1", depth_mult=depth_mult).body.named_children())[1:-1]

    assert [block.pointwise.conv.out_channels for _, block in children] == blocks
    assert [name for name, _ in children] == [f"block{number}" for number in range(1, len(blocks) + 1)]
    assert sum(block.depthwise.conv.stride == (2, 2) for _, block in children) == 4


def test_mobilenet_v1_accepts_strides_for_small_images(hollow):
    network = hollow("mobilenet_v1", stem_stride=1, stage_strides=[1, 2, 1, 2, 2])

    assert network.body[:-1](torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 1024, 4, 4)
    with pytest.raises(SpecError, match=r"`stage_strides` 5 values of 1 or 2 \(got 2 and \[1\]\)"):
        build("mobilenet_v1", stage_strides=[1])


def test_mobilenet_v1_with_tf_same_padding_has_the_same_weights_and_other_outputs():
    torch.manual_seed(0)
    symmetric = he_normal(build("mobilenet_v1", width_mult=0.25).eval())
    tf_same = build("mobilenet_v1", width_mult=0.25, padding="tf_same").eval()
    tf_same.load_state_dict(symmetric.state_dict())
    even, odd = torch.randn(1, 3, 64, 64), torch.randn(1, 3, 65, 65)

    with torch.inference_mode():
        assert not torch.allclose(tf_same(even), symmetric(even), rtol=1e-3)
        torch.testing.assert_close(tf_same(odd), symmetric(odd))  # both pad one pixel on each side


@pytest.mark.parametrize("mult", [0, -1, float("nan")])
def test_mobilenet_v1_raises_for_multipliers_that_are_not_above_0(mult):
    with pytest.raises(SpecError, match=r"`width_mult` must be a number from 0\.001 to 10"):
        build("mobilenet_v1", width_mult=mult)
    with pytest.raises(SpecError, match="`resolution_mult` must be above 0"):
        resolution(mult)
