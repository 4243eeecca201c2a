"""equalize: more even channel ranges, the same outputs."""

import numpy as np
import onnx
import pytest
from made_networks import IMAGES, conv_network, logits, minmax

from edgekit.graph.edit import set_constant
from edgekit.graph.index import Graph
from edgekit.quantize.calibrate import ActivationStatistics, activation_statistics
from edgekit.quantize.passes.equalize import equalize, layer_pairs
from edgekit.quantize.passes.insert_qdq import insert_qdq, quantized_tensors
from edgekit.quantize.weight_format import WeightFormat


def with_uneven_channels(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with output channels of `expand` scaled by 0.001 to 1, and `depthwise` scaled inversely."""
    graph = Graph(model)
    factors = np.logspace(-3, 0, 16).astype(np.float32)
    set_constant(graph, "expand.w", np.asarray(graph.constant("expand.w")) * factors[:, None, None, None])
    set_constant(graph, "expand.b", np.asarray(graph.constant("expand.b")) * factors)
    set_constant(graph, "depthwise.w", np.asarray(graph.constant("depthwise.w")) / factors[:, None, None, None])
    return graph.model


def statistics_of(model: onnx.ModelProto) -> dict[str, ActivationStatistics]:
    return activation_statistics(model, quantized_tensors(model), images=IMAGES)


def unevenness(model: onnx.ModelProto, name: str) -> float:
    """The ratio of the largest to the smallest range of an output channel."""
    largest = np.abs(Graph(model).constant(name)).max(axis=(1, 2, 3))
    return float(largest.max() / largest.min())


@pytest.mark.parametrize("activation", ["Relu", "Relu6"])
def test_equalize_evens_the_channels_without_changing_the_outputs(activation):
    model = with_uneven_channels(conv_network(activation=activation))
    equalized = equalize(model, statistics=statistics_of(model))
    np.testing.assert_allclose(logits(equalized), logits(model), rtol=1e-3, atol=1e-3)
    assert unevenness(equalized, "expand.w") < unevenness(model, "expand.w") / 2


def test_equalize_makes_quantization_with_one_scale_per_layer_accurate():
    model, coarse = with_uneven_channels(conv_network(activation="Relu")), WeightFormat(per_channel=False)
    equalized = equalize(model, statistics=statistics_of(model))
    quantized = [insert_qdq(m, ranges=minmax(m), weight_format=coarse) for m in (model, equalized)]
    errors = [np.abs(logits(m) - logits(model)).max() for m in quantized]
    assert errors[1] < errors[0] / 5


def test_equalize_keeps_the_scale_of_channels_that_reach_the_ceiling():
    graph = Graph(conv_network())
    set_constant(graph, "expand.w", 2 * np.asarray(graph.constant("expand.w")))
    model = graph.model
    statistics = statistics_of(model)
    at_ceiling = statistics["expand_relu6"].channel_highest >= 6
    assert 0 < at_ceiling.sum() < len(at_ceiling)
    highest = statistics_of(equalize(model, statistics=statistics))["expand_relu6"].channel_highest
    assert (highest[at_ceiling] == 6).all()
    assert (highest[~at_ceiling] < 6).all()


def test_layer_pairs_leave_out_tensors_with_several_consumers():
    pairs = [(pair.first.name, pair.second.name) for pair in layer_pairs(Graph(conv_network()))]
    assert pairs == [("expand", "depthwise"), ("depthwise", "project")]
