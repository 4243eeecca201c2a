"""Parameters and multiply-accumulates of networks, compared with arithmetic by hand."""

import pytest
import torch
from torch import nn

from edgekit.image.size import Size
from edgekit.zoo.network_cost import Cost, LayerCost, layer_costs, network_cost


@pytest.mark.parametrize(
    ("network", "input", "channels", "macs"),
    [
        # The motivation of Inception: 5x5 to 32 maps directly from 192, and through a bottleneck of 16 maps.
        (nn.Conv2d(192, 32, 5, padding=2), Size(28, 28), 192, 120_422_400),
        (nn.Sequential(nn.Conv2d(192, 16, 1), nn.Conv2d(16, 32, 5, padding=2)), Size(28, 28), 192, 12_443_648),
        # That of MobileNet: 3x3x3 to 5 maps on 6x6, and depthwise (432) then pointwise (240).
        (nn.Conv2d(3, 5, 3), Size(6, 6), 3, 2_160),
        (nn.Sequential(nn.Conv2d(3, 3, 3, groups=3), nn.Conv2d(3, 5, 1)), Size(6, 6), 3, 432 + 240),
    ],
)
def test_network_cost_agrees_with_textbook_arithmetic(network, input, channels, macs):
    assert network_cost(network, input, channels=channels).macs == macs


def test_layer_costs_of_biases_norms_and_activations_have_no_macs():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))

    assert layer_costs(network, Size(2, 2)) == (
        LayerCost(name="0", kind="Conv2d", output=(4, 2, 2), parameters=16, macs=48),
        LayerCost(name="1", kind="BatchNorm2d", output=(4, 2, 2), parameters=8, macs=0),
        LayerCost(name="2", kind="ReLU", output=(4, 2, 2), parameters=0, macs=0),
        LayerCost(name="3", kind="Flatten", output=(16,), parameters=0, macs=0),
        LayerCost(name="4", kind="Linear", output=(2,), parameters=34, macs=32),
    )
    assert network_cost(network, Size(2, 2)) == Cost(parameters=58, macs=80)


def test_network_cost_does_not_change_the_network():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout())
    network[1].eval()  # a frozen norm inside a network that trains
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    network_cost(network, Size(2, 2))

    assert [module.training for module in network] == [True, False, True]
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks for module in network)


def test_network_cost_removes_its_hooks_after_an_error():
    network = nn.Sequential(nn.Conv2d(3, 4, 5))

    with pytest.raises(RuntimeError):
        network_cost(network, Size(2, 2))

    assert not network[0]._forward_hooks
    assert network.training
