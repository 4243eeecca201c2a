"""canonicalize: faster normalization and pooling, the same outputs."""

import numpy as np
import onnx
import pytest
from made_networks import CROP, IMAGES, conv_network, logits
from onnx import helper, numpy_helper

from edgekit.graph.edit import set_constant
from edgekit.graph.index import Graph
from edgekit.quantize.passes.canonicalize import canonicalize


def with_channel_constants(values: list[float]) -> onnx.ModelProto:
    graph = Graph(conv_network())
    set_constant(graph, "shift", np.array(values, np.float32).reshape(1, 3, 1, 1))
    return graph.model


def with_mean(*, keepdims: int) -> onnx.ModelProto:
    """The network with a ReduceMean instead of its pooling."""
    model = conv_network()
    axes = numpy_helper.from_array(np.array([2, 3]), "axes")
    model.graph.initializer.append(axes)
    for node in model.graph.node:
        if node.op_type == "GlobalAveragePool":
            output = node.output[0] if keepdims else "flat"
            mean = helper.make_node("ReduceMean", [node.input[0], "axes"], [output], name="mean", keepdims=keepdims)
            node.CopyFrom(mean)
    if not keepdims:
        nodes = [node for node in model.graph.node if node.op_type != "Flatten"]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
    return model


@pytest.mark.parametrize(
    ("values", "shape"), [([2.0, 2.0, 2.0], ()), ([2.0, 1.5, 1.0], (1, 3, 1, CROP.width))], ids=["equal", "different"]
)
def test_canonicalize_widens_constants_of_the_normalization(values, shape):
    model = with_channel_constants(values)
    canonical = canonicalize(model)
    np.testing.assert_array_equal(logits(canonical), logits(model))
    subtract = next(node for node in canonical.graph.node if node.op_type == "Sub")
    assert Graph(canonical).constant(subtract.input[1]).shape == shape


@pytest.mark.parametrize("keepdims", [0, 1])
def test_canonicalize_replaces_a_spatial_mean_by_pooling(keepdims):
    model = with_mean(keepdims=keepdims)
    canonical = canonicalize(model)
    operators = [node.op_type for node in canonical.graph.node]
    assert "ReduceMean" not in operators
    assert "GlobalAveragePool" in operators
    np.testing.assert_allclose(logits(canonical), logits(model), rtol=1e-5, atol=1e-5)
    assert len(logits(canonical)) == len(IMAGES)


def test_canonicalize_leaves_other_means():
    model = with_mean(keepdims=1)
    for tensor in model.graph.initializer:
        if tensor.name == "axes":
            tensor.CopyFrom(numpy_helper.from_array(np.array([3]), "axes"))
    assert [n.op_type for n in canonicalize(model).graph.node] == [n.op_type for n in model.graph.node]
