"""Shortcuts: learned, fixed, or none."""

import pytest
import torch

from edgekit.zoo.build import build
from edgekit.zoo.resnet import ZeroPad


def _parameters(network):
    return {name: tuple(p.shape) for name, p in network.named_parameters()}


def test_zero_padding_is_the_product_with_a_fixed_matrix():
    x = torch.randn(2, 3, 5, 6)
    matrix = torch.eye(8, 3).reshape(8, 3, 1, 1)  # the identity, and rows of zeros for the new channels

    expected = torch.nn.functional.conv2d(x, matrix, stride=2)

    assert torch.equal(ZeroPad(3, 8, stride=2)(x), expected)


@pytest.mark.parametrize("depth", [18, 50])
def test_zero_padding_learns_nothing_and_a_projection_does(depth, hollow):
    projected = _parameters(hollow(f"resnet{depth}"))
    padded = _parameters(hollow(f"resnet{depth}", shortcut="zero_pad"))

    assert padded.items() < projected.items()
    assert all(".shortcut." in name for name in projected.keys() - padded.keys())


@pytest.mark.parametrize(("residual", "plain"), [("resnet18", "plain18"), ("resnet34", "plain34")])
def test_a_plain_network_has_the_layers_of_its_residual_one(residual, plain, hollow):
    assert _parameters(hollow(plain)) == _parameters(hollow(residual, shortcut="zero_pad"))


def test_a_block_of_zeros_is_an_identity_only_with_its_shortcut():
    x = torch.rand(1, 16, 8, 8)
    for name, expected in (("resnet20", x), ("plain20", torch.zeros_like(x))):
        block = build(name).eval().body.conv2_x[0]
        torch.nn.init.zeros_(block.layers.conv2.norm.weight)

        assert torch.equal(block(x), expected)
