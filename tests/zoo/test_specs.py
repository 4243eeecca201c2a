"""Every network of the zoo agrees with its spec."""

import inspect

import pytest
import torch

from edgekit.errors import SpecError
from edgekit.image.size import Size
from edgekit.zoo.build import _paper_module, build
from edgekit.zoo.network_cost import Cost, layer_costs, network_cost
from edgekit.zoo.specs import SPECS, check_free_arguments

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


@pytest.mark.parametrize(("name", "input", "smallest"), [("alexnet", 66, 67), ("lenet5", 15, 16), ("lenet5", 1, 16)])
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
        ("efficientnet_b0", {"depth_mult": 1e9}, "`depth_mult` must be a number from 0.001 to 10"),
        ("mobilenet_v2", {"width_mult": float("nan")}, r"must be a number from 0.001 to 10 \(got nan\)"),
        ("mobilenet_v2", {"width_mult": "1"}, r"must be a number from 0.001 to 10 \(got '1'\)"),
        ("mobilenet_v2", {"stage_strides": 2}, r"`stage_strides` must be a list of integers \(got 2\)"),
        ("mobilenet_v3_large", {"size": ["large"]}, r"`size` must be a name \(got \['large'\]\)"),
        ("vgg16", {"batch_norm": 1}, r"`batch_norm` must be true or false \(got 1\)"),
        ("lenet5", {"input": -3}, r"`input` must be an integer from 1 to 10000 \(got -3\)"),
        ("vgg16", {"classes": True}, r"`classes` must be an integer from 1 to 1000000 \(got True\)"),
    ],
)
def test_build_raises_for_impossible_arguments(name, arguments, message):
    with pytest.raises(SpecError, match=message):
        build(name, **arguments)


HOSTILE_VALUES = (None, True, -1, 0, 1.5, 1e30, float("nan"), 10**30, "x", [], ["x"], [[1]], {"a": 1}, [1] * 7)


@pytest.mark.parametrize("name", ["lenet5", "vgg11", "resnet18", "mobilenet_v3_small", "efficientnet_b0"])
def test_build_accepts_a_value_or_refuses_it_in_one_line(name):
    """Without memory: values of checkpoints and recipes come from anybody."""
    builder = getattr(_paper_module(SPECS[name]), SPECS[name].builder.split(":")[1])
    with torch.device("meta"):
        for argument in inspect.signature(builder).parameters:
            for value in HOSTILE_VALUES:
                try:
                    build(name, **{argument: value})
                except SpecError as error:
                    assert len(str(error).splitlines()) == 1  # noqa: PT017


def test_check_free_arguments_refuses_what_contradicts_the_data():
    check_free_arguments({"width_mult": 0.5, "in_channels": 3}, channels=3)
    with pytest.raises(SpecError, match="`arguments` must not contain classes, which follows from the labels"):
        check_free_arguments({"width_mult": 0.5, "classes": 3}, channels=3)
    with pytest.raises(SpecError, match="must not contain in_channels 3: the images have 1 by `color`"):
        check_free_arguments({"width_mult": 0.5, "in_channels": 3}, channels=1)
