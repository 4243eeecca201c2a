import dataclasses

import pytest
import torch

from edgekit.artifact.info import read_info
from edgekit.fit.layers import sized, trace
from edgekit.fit.operators import operators, operators_of
from edgekit.hub.model_files import model_path
from edgekit.image.size import Size
from edgekit.runtime.targets import TARGETS
from edgekit.zoo.build import build


def layers_of(name: str, side: int, **arguments):
    with torch.device("meta"):
        return sized(trace(build(name, **arguments)), Size(side, side))


@pytest.mark.parametrize("name", ["mobilenet_v2-cifar10", "mobilenet_v2-cifar10-int8"])
def test_operators_of_layers_are_those_of_the_exported_file(name):
    info = read_info(model_path(name))
    size = info.preprocess.crop
    with torch.device("meta"):
        layers = sized(trace(build(info.model, **info.arguments, classes=len(info.labels))), size)
    target = TARGETS[info.target or "x86-vnni"]
    expected = operators_of(model_path(name).read_bytes(), name=name)
    assert operators(layers, input=size, precision=expected.precision, target=target) == expected


def test_stem_is_grouped_for_targets_that_group_pixels_and_only_in_int8():
    layers, size = layers_of("mobilenet_v2", 96), Size(96, 96)
    stems = {
        (precision, target): operators(layers, input=size, precision=precision, target=TARGETS[target]).operators[1]
        for precision in ("float32", "int8")
        for target in ("x86-vnni", "arm64")
    }
    grouped = stems["int8", "x86-vnni"]
    assert (grouped.in_channels, grouped.channels, grouped.kernel, grouped.stride) == (12, 64, (3, 2), (2, 1))
    assert (grouped.input, grouped.output) == ((96, 24), (48, 24))
    others = [stem for key, stem in stems.items() if key != ("int8", "x86-vnni")]
    assert {(stem.in_channels, stem.channels, stem.kernel) for stem in others} == {(3, 32, (3, 3))}


def test_stem_of_a_width_that_is_no_multiple_of_four_is_not_grouped():
    layers, size = layers_of("mobilenet_v2", 98), Size(98, 98)
    stem = operators(layers, input=size, precision="int8", target=TARGETS["x86-vnni"]).operators[1]
    assert stem.in_channels == 3


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_work_and_parameters_are_those_of_the_layers(precision):
    layers = layers_of("mobilenet_v3_small", 64, classes=10)
    network = operators(layers, input=Size(64, 64), precision=precision, target=TARGETS["arm64"])
    assert sum(step.macs for step in network.operators) == sum(layer.macs for layer in layers)
    kinds = {step.kind for step in network.operators}
    assert {"conv", "linear", "mean", "mul", "pixels"} <= kinds
    assert all(index < place for place, step in enumerate(network.operators) for index in step.inputs)
    assert dataclasses.asdict(network.operators[-1])["channels"] == 10
