"""Every network of the zoo agrees with its spec."""

import pytest
import torch

from edgekit.errors import SpecError
from edgekit.image.size import Size
from edgekit.zoo.build import build
from edgekit.zoo.network_cost import Cost, layer_costs, network_cost
from edgekit.zoo.specs import SPECS

every_network = pytest.mark.parametrize("name", SPECS)


@every_network
def test_spec_parameters_and_macs_agree_with_the_network(name, hollow):
    spec, network = SPECS[name], hollow(name)

    assert network_cost(network, spec.input, channels=spec.preprocess.channels) == Cost(
        parameters=spec.parameters, macs=spec.macs
    )
    assert sum(p.numel() for part in (network.body, network.head) for p in part.parameters()) == spec.parameters


@every_network
@pytest.mark.parametrize("channels", [1, 3])
def test_build_accepts_any_classes_and_one_or_three_channels(name, channels, hollow):
    network = hollow(name, classes=7, in_channels=channels)

    logits = network(torch.empty(2, channels, *SPECS[name].input, device="meta"))

    assert logits.shape == (2, 7)


@every_network
def test_only_head_fc_depends_on_the_classes(name, hollow):
    seven, nine = (hollow(name, classes=classes).state_dict() for classes in (7, 9))

    assert {n for n in seven if seven[n].shape != nine[n].shape} == {"head.fc.weight", "head.fc.bias"}


@every_network
def test_network_accepts_its_smallest_input_and_raises_below(name, hollow):
    network, channels = hollow(name), SPECS[name].preprocess.channels
    smallest, default = network.smallest, max(SPECS[name].input)

    assert layer_costs(network, Size(smallest, default), channels=channels)
    if smallest > 1:
        for size in (Size(smallest - 1, default), Size(default, smallest - 1)):
            with pytest.raises(SpecError, match=f"^this network accepts inputs .*{smallest}x{smallest}.*{size}[^\n]*$"):
                network(torch.empty(1, channels, *size, device="meta"))


@every_network
def test_network_accepts_its_largest_input_and_raises_above(name, hollow):
    network, channels = hollow(name), SPECS[name].preprocess.channels
    largest = network.largest

    assert layer_costs(network, Size(largest or 1000, max(SPECS[name].input)), channels=channels)
    if largest is not None:
        with pytest.raises(SpecError, match=rf"to {largest}x{largest}.*`input`[^\n]*$"):
            network(torch.empty(1, channels, largest + 1, largest + 1, device="meta"))


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if spec.macs < 250e6])
def test_network_logits_depend_on_the_image_and_every_weight_has_a_gradient(name):
    """With real data, for the cheap networks only."""
    torch.manual_seed(0)
    spec = SPECS[name]
    network = build(name)

    logits = network(torch.randn(4, spec.preprocess.channels, *spec.input))
    torch.nn.functional.cross_entropy(logits, torch.arange(4)).backward()

    assert logits.isfinite().all()
    assert (logits.std(0) > 0).any()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize(("name", "input"), [("alexnet", 67), ("alexnet", 300), ("lenet5", 16), ("lenet5", 28)])
def test_build_with_another_input_fits_the_linear_layers(name, input, hollow):
    network = hollow(name, input=input)

    network.check_input(Size(input, input))

    assert layer_costs(network, Size(input, input), channels=SPECS[name].preprocess.channels)[-1].output


@pytest.mark.parametrize(("name", "input", "smallest"), [("alexnet", 66, 67), ("lenet5", 15, 16), ("lenet5", -3, 16)])
def test_build_raises_for_an_input_that_is_too_small(name, input, smallest):
    with pytest.raises(SpecError, match=rf"`input` must be at least {smallest} pixels \(got {input}\)"):
        build(name, input=input)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("vgg16", {"depth": 15}, "unknown depth '15'; known: 11, 13, 16, 19|did you mean"),
        ("resnet18", {"depth": 19}, "unknown depth '19'"),
        ("resnet18", {"shortcut": "zeropad"}, "did you mean zero_pad"),
        ("resnet20", {"shortcut": "none"}, "unknown shortcut"),
        ("resnet20", {"depth": 21}, "6n [+] 2"),
        ("lenet5", {"form": "old"}, "unknown form"),
        ("resnet18", {"width": 2}, "unknown argument 'width'"),
    ],
)
def test_build_raises_for_impossible_arguments(name, arguments, message):
    with pytest.raises(SpecError, match=message):
        build(name, **arguments)
