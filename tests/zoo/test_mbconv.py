"""The block of EfficientNet: squeeze-and-excitation and stochastic depth."""

import pytest
import torch

from edgekit.zoo.build import build
from edgekit.zoo.mbconv import DropPath, SqueezeExcite


def test_squeeze_excite_has_a_quarter_of_the_input_channels_and_gates_every_channel():
    network = build("efficientnet", width_mult=0.25)
    gates = [module for module in network.modules() if isinstance(module, SqueezeExcite)]
    first = network.body.stage2[0].layers

    assert len(gates) == 16
    assert first.squeeze_excite.gate.reduce.out_channels == first.expand.conv.in_channels // 4
    x = torch.randn(2, gates[0].gate.reduce.in_channels, 5, 5)
    ratio = gates[0](x) / x
    assert ((ratio > 0) & (ratio < 1)).all()
    torch.testing.assert_close(ratio, ratio[:, :, :1, :1].expand_as(ratio))


def test_drop_path_rate_grows_linearly_from_0(hollow):
    network = hollow("efficientnet_b0", drop_path=0.32)

    rates = [module.rate for module in network.modules() if isinstance(module, DropPath)]

    assert rates == pytest.approx([0.02 * block for block in range(16)])


def test_drop_path_is_the_identity_in_evaluation():
    x = torch.randn(8, 3, 2, 2)

    assert DropPath(0.5).eval()(x) is x
    assert DropPath(0.0).train()(x) is x


def test_drop_path_drops_whole_images_and_preserves_the_mean():
    torch.manual_seed(0)
    images, rate = 20_000, 0.2

    output = DropPath(rate).train()(torch.ones(images, 2, 1, 1))

    assert set(output.unique().tolist()) == {0.0, 1.25}
    assert torch.equal(output[:, 0], output[:, 1])
    assert output.mean().item() == pytest.approx(1.0, abs=0.02)  # 5.6 standard deviations
