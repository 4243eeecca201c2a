"""Multiply-accumulates of ONNX nodes, compared with textbook arithmetic."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.cost import total
from edgekit.errors import ArtifactError
from edgekit.graph.layer_costs import layers


def model(nodes, inputs, outputs, weights):
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]).SerializeToString()


def test_layers_counts_convolutions_and_matrix_products():
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["y"], pads=[2, 2, 2, 2], name="conv"),
        helper.make_node("GlobalAveragePool", ["y"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "v"], ["z"], transB=1, name="fc"),
    ]
    weights = {"w": (32, 192, 5, 5), "b": (32,), "v": (10, 32)}
    rows = layers(model(nodes, {"x": ["n", 192, 28, 28]}, {"z": ["n", 10]}, weights), name="test")
    assert [(row.name, row.output, row.parameters, row.macs) for row in rows] == [
        ("conv", (32, 28, 28), 32 * 192 * 25 + 32, 120_422_400),
        ("pool", (32, 1, 1), 0, 0),
        ("flat", (32,), 0, 0),
        ("fc", (10,), 320, 320),
    ]
    assert total(rows).macs == 120_422_720


def test_layers_counts_one_input_channel_per_filter_of_a_depthwise_convolution():
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], group=3)]
    rows = layers(model(nodes, {"x": [1, 3, 6, 6]}, {"y": [1, 3, 4, 4]}, {"w": (3, 1, 3, 3)}), name="test")
    assert total(rows).macs == 432


def test_layers_raises_for_a_dynamic_height_and_width():
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    with pytest.raises(ArtifactError, match=r"^test: the output of node .* has no fixed shape$"):
        layers(model(nodes, {"x": ["n", 3, "h", "w"]}, {"y": ["n", 3, "h", "w"]}, {}), name="test")


@pytest.mark.parametrize("data", [b"", b"\x0a\x03abc", b"\xff\xff\xff"])
def test_layers_raises_for_invalid_files(data):
    with pytest.raises(ArtifactError, match=r"^test: (contains no graph|cannot infer its shapes: .*)$"):
        layers(data, name="test")
