"""ResNet: learned shortcuts, fixed shortcuts, and none."""

import pytest
import torch

from edgekit.errors import SpecError
from edgekit.zoo.build import build, published_keys
from edgekit.zoo.resnet import ZeroPad


def _parameters(network):
    return {name: tuple(p.shape) for name, p in network.named_parameters()}


def test_zero_pad_is_a_convolution_with_a_fixed_matrix():
    x = torch.randn(2, 3, 5, 6)
    matrix = torch.eye(8, 3).reshape(8, 3, 1, 1)  # the identity, with rows of zeros for the new channels

    expected = torch.nn.functional.conv2d(x, matrix, stride=2)

    assert torch.equal(ZeroPad(3, 8, stride=2)(x), expected)


@pytest.mark.parametrize("depth", [18, 50])
def test_resnet_shortcuts_have_parameters_only_with_projection(depth, hollow):
    projection = _parameters(hollow(f"resnet{depth}"))
    zero_pad = _parameters(hollow(f"resnet{depth}", shortcut="zero_pad"))

    assert zero_pad.items() < projection.items()
    assert all(".shortcut." in name for name in projection.keys() - zero_pad.keys())


@pytest.mark.parametrize(("residual", "plain"), [("resnet18", "plain18"), ("resnet34", "plain34")])
def test_plain_networks_have_the_layers_of_the_residual_networks(residual, plain, hollow):
    assert _parameters(hollow(plain)) == _parameters(hollow(residual, shortcut="zero_pad"))


def test_residual_block_with_zero_weights_is_the_identity_only_with_a_shortcut():
    x = torch.rand(1, 16, 8, 8)
    for name, expected in (("resnet20", x), ("plain20", torch.zeros_like(x))):
        block = build(name).eval().body.conv2_x[0]
        torch.nn.init.zeros_(block.layers.conv2.norm.weight)

        assert torch.equal(block(x), expected)


def _stages(network):
    """The channels of the output and the number of blocks of each stage."""
    stages = [stage for name, stage in network.body.named_children() if name.endswith("_x")]
    return [(list(stage[-1].layers.children())[-1].conv.out_channels, len(stage)) for stage in stages]


def test_resnet_width_and_depth_multipliers_round_channels_to_8_and_blocks_up(hollow):
    assert _stages(hollow("resnet18", width_mult=0.3, depth_mult=0.5)) == [(24, 1), (40, 1), (80, 1), (152, 1)]
    assert _stages(hollow("resnet50", width_mult=0.5, depth_mult=1.3)) == [(128, 4), (256, 6), (512, 8), (1024, 4)]
    assert _stages(hollow("resnet20", width_mult=0.5, depth_mult=0.3)) == [(8, 1), (16, 1), (32, 1)]
    assert _stages(hollow("resnet20", depth_mult=3)) == _stages(hollow("resnet56"))


@pytest.mark.parametrize(("name", "depth_mult"), [("resnet18", 1.5), ("resnet50", 0.5)])
def test_resnet_published_keys_of_another_depth_are_all_of_its_modules(name, depth_mult, hollow):
    modules = {path.rpartition(".")[0] for path in hollow(name, depth_mult=depth_mult).state_dict()}

    assert set(published_keys(name, depth_mult=depth_mult).values()) == modules


@pytest.mark.parametrize(
    ("name", "arguments", "grid"),
    [
        ("resnet18", {"stem_stride": 1, "stage_strides": [1, 2, 2, 2]}, 4),
        ("resnet18", {"stem_stride": 1, "stage_strides": [2, 1, 2, 2]}, 4),
        ("resnet20", {"stem_stride": 2, "stage_strides": [2, 2, 2]}, 2),
    ],
)
def test_resnet_accepts_strides_for_small_images(name, arguments, grid, hollow):
    network = hollow(name, **arguments)

    assert network.body[:-1](torch.empty(1, 3, 32, 32, device="meta")).shape[2:] == (grid, grid)


def test_resnet_leaves_its_pooling_out_for_a_stride_of_1(hollow):
    assert "pool1" in dict(hollow("resnet18").body.named_children())
    assert "pool1" not in dict(hollow("resnet18", stage_strides=[1, 2, 2, 2]).body.named_children())


@pytest.mark.parametrize(("name", "count"), [("resnet18", 4), ("resnet20", 3)])
def test_resnet_raises_for_impossible_strides(name, count):
    with pytest.raises(SpecError, match=rf"`stage_strides` {count} values of 1 or 2 \(got \d and \[2\]\)"):
        build(name, stage_strides=[2])
