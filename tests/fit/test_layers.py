"""Layers: compared with the networks as torch runs them, for any resolution, and with `zoo.network_cost`."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edgekit.errors import SpecError
from edgekit.fit import layers as layers_module
from edgekit.fit.candidate import Candidate
from edgekit.fit.layers import INPUT, Traces, sized, trace
from edgekit.fit.space import NETWORKS, candidates
from edgekit.image.size import Size
from edgekit.zoo.build import build
from edgekit.zoo.network import Network
from edgekit.zoo.network_cost import layer_costs, network_cost
from edgekit.zoo.specs import SPECS

SPACE = candidates(classes=7, image_size=32) + candidates(classes=7, image_size=256)


def hollow(candidate):
    with torch.device("meta"):
        return build(
            candidate.network, **candidate.arguments, classes=candidate.classes, in_channels=candidate.channels
        ).eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_traces_cost_of_networks_is_that_of_their_spec(name):
    spec = SPECS[name]
    candidate = Candidate(network=name, resolution=spec.input.height, classes=1000 if name != "resnet20" else 10)
    cost = Traces().cost(candidate)
    assert (cost.parameters, cost.macs) == (spec.parameters, spec.macs)


@settings(max_examples=settings().max_examples // 10)
@given(st.sampled_from(SPACE))
def test_traces_cost_of_candidates_is_that_of_the_network(candidate):
    size = Size(candidate.resolution, candidate.resolution)
    assert Traces().cost(candidate) == network_cost(hollow(candidate), size)


@pytest.mark.parametrize(
    ("name", "padding"),
    [(name, "symmetric") for name in NETWORKS] + [(name, "tf_same") for name in NETWORKS if "resnet" not in name],
)
def test_layers_have_the_shapes_of_the_modules(name, padding):
    """For an odd and an even extent."""
    input = Size(37, 224)
    arguments = {} if padding == "symmetric" else {"padding": padding}  # which ResNet does not have
    with torch.device("meta"):
        network, traced = (build(name, width_mult=0.5, classes=5, **arguments).eval() for _ in range(2))
    layers = sized(trace(traced), input)
    by_name = {layer.name: layer for layer in layers}
    shapes = {cost.name: cost.output for cost in layer_costs(network, input)}
    for path, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.MaxPool2d | nn.ReLU | nn.SiLU):
            layer = by_name[path]
            assert (layer.channels, *layer.output) == shapes[path], path


@pytest.mark.parametrize(
    ("name", "adds", "muls", "pads"),
    [
        ("mobilenet_v2", 10, 0, 0),
        ("efficientnet_b0", 9, 16, 0),
        ("mobilenet_v3_small", 6, 9, 0),
        ("resnet18", 8, 0, 0),
        ("resnet20", 9, 0, 2),
    ],
)
def test_layers_include_residual_sums_gates_and_shortcuts(name, adds, muls, pads):
    kinds = [layer.kind for layer in Traces().layers(Candidate(network=name, resolution=96, classes=4))]
    assert (kinds.count("add"), kinds.count("mul"), kinds.count("pad")) == (adds, muls, pads)


def test_layers_read_earlier_layers_and_their_shapes_agree():
    for candidate in candidates(classes=4, image_size=32, networks=["efficientnet_b0", "resnet"])[::101]:
        layers = Traces().layers(candidate)
        for index, layer in enumerate(layers):
            assert all(INPUT <= source < index for source in layer.inputs)
            if layer.inputs[0] != INPUT:
                assert (layers[layer.inputs[0]].output, layers[layer.inputs[0]].channels) == (
                    layer.input,
                    layer.in_channels,
                )
            if layer.kind == "add":
                assert {layers[source].output for source in layer.inputs} == {layer.output}
        assert (layers[-1].kind, layers[-1].channels, layers[-1].output) == ("linear", 4, Size(1, 1))
        read = {source for layer in layers for source in layer.inputs}
        assert read == {INPUT, *range(len(layers) - 1)}


def test_layers_of_a_block_are_in_running_order():
    """EfficientNet's second stage, first block: figure of the MBConv block, with a gate from its own depthwise."""
    layers = Traces().layers(Candidate(network="efficientnet_b0", resolution=64, classes=4))
    block = [layer for layer in layers if layer.name.startswith("body.stage2.0.layers")]
    start = layers.index(block[0])
    chain = layers[start : start + 15]
    assert [layer.kind + layer.activation for layer in chain] == [
        "conv",
        "norm",
        "activationsilu",
        "conv",
        "norm",
        "activationsilu",
        "mean",
        "conv",
        "activationsilu",
        "conv",
        "activationsigmoid",
        "mul",
        "conv",
        "norm",
        "conv",
    ]
    gate = chain[11]
    assert gate.inputs == (start + 5, start + 10)
    depthwise = chain[3]
    assert (depthwise.groups, depthwise.in_channels, depthwise.stride, depthwise.kernel) == (96, 96, 2, 3)
    assert (depthwise.input, depthwise.output) == (Size(32, 32), Size(16, 16))
    assert [layer.bias for layer in chain if layer.kind == "conv"] == [False, False, True, True, False, False]


def test_traces_gray_candidates_have_one_input_channel():
    first = Traces().layers(Candidate(network="mobilenet_v1", resolution=28, classes=4, channels=1))[0]
    assert (first.kind, first.in_channels, first.inputs) == ("conv", 1, (INPUT,))


def test_traces_trace_an_architecture_once(monkeypatch):
    built = []
    monkeypatch.setattr(layers_module, "build", lambda *names, **values: built.append(names) or build(*names, **values))
    traces = Traces()
    for resolution, precision in ((96, "int8"), (128, "float32"), (128, "int8")):
        traces.cost(
            Candidate(network="mobilenet_v1", width_mult=0.25, resolution=resolution, precision=precision, classes=2)
        )
    assert len(built) == 1


def test_traces_allocate_no_weights(monkeypatch):
    traced = []
    monkeypatch.setattr(layers_module, "trace", lambda network, **values: traced.append(network) or trace(network))
    assert Traces().cost(Candidate(network="resnet50", resolution=224, classes=1000)).parameters == 25_557_032
    assert all(parameter.is_meta for network in traced for parameter in network.parameters())
    assert len(traced) == 1


def test_trace_refuses_modules_of_other_networks():
    network = Network({"conv": nn.Conv2d(3, 4, 3), "shuffle": nn.PixelShuffle(2)}, {"fc": nn.Linear(1, 2)})
    with pytest.raises(SpecError, match=r"body.shuffle: PixelShuffle is in no network of the space"):
        trace(network)
    with pytest.raises(SpecError, match=r"LocalResponseNorm|Flatten|AvgPool2d"):
        Traces().layers(Candidate(network="lenet5", resolution=32, classes=10, channels=1))
