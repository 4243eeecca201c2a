"""The index over a graph, and the properties of its nodes and tensors."""

import numpy as np
import pytest
from made_networks import conv_network
from onnx import TensorProto, helper, numpy_helper

from edgekit.graph.index import Graph, attribute, clip_bounds, tensor_shapes


def names(nodes):
    return [node.name for node in nodes]


def test_graph_layers_are_the_nodes_with_weights():
    assert names(Graph(conv_network()).layers()) == ["stem", "expand", "depthwise", "project", "logits"]


def test_graph_normalization_ends_before_the_first_weights():
    assert Graph(conv_network()).normalization() == {"planes", "floats", "scaled", "normalized"}


def test_graph_producer_and_consumers_of_tensors():
    graph = Graph(conv_network())
    assert graph.producer("residual").op_type == "Add"
    assert graph.producer("pixels") is None
    assert graph.producer("stem.w") is None
    assert names(graph.consumers("stem_relu6")) == ["expand", "residual"]
    assert graph.consumers("logits") == []


def test_graph_only_consumer_is_none_for_several_and_for_outputs():
    model = conv_network()
    model.graph.output.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, None))
    graph = Graph(model)
    assert graph.only_consumer("expand").name == "expand_relu6"
    assert graph.only_consumer("stem_relu6") is None
    assert graph.only_consumer("flat") is None


def test_graph_constant_reads_initializers_and_constant_nodes():
    model = conv_network()
    value = numpy_helper.from_array(np.float32(3))
    model.graph.node.insert(0, helper.make_node("Constant", [], ["three"], value=value))
    graph = Graph(model)
    assert (graph.constant("six"), graph.constant("three"), graph.constant("stem")) == (6, 3, None)


def test_attribute_returns_the_default_if_it_is_not_set():
    stem = Graph(conv_network()).producer("stem")
    assert attribute(stem, "pads", [0, 0, 0, 0]) == [1, 1, 1, 1]
    assert attribute(stem, "strides", [1, 1]) == [1, 1]


@pytest.mark.parametrize(("activation", "bounds"), [("Relu", (0, np.inf)), ("Relu6", (0, 6))])
def test_clip_bounds_of_activations(activation, bounds):
    graph = Graph(conv_network(activation=activation))
    assert clip_bounds(graph, graph.only_consumer("expand")) == bounds
    assert clip_bounds(graph, graph.producer("expand")) is None


def test_tensor_shapes_name_the_dynamic_batch():
    shapes = tensor_shapes(conv_network())
    assert (shapes["stem"], shapes["flat"]) == (("batch", 8, 16, 16), ("batch", 8))
