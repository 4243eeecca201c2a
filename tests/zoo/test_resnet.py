"""ResNet: learned shortcuts, fixed shortcuts, and none."""

import pytest
import torch

from edgekit.zoo.build import build
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
