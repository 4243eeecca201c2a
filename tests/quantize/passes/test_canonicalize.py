"""The form that integers are fast in answers the same."""

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
    """The network with ReduceMean in place of its pooling."""
    model = conv_network()
    axes = numpy_helper.from_array(np.array([2, 3]), "axes")
    model.graph.initializer.append(axes)
    for node in model.graph.node:
        if node.op_type == "GlobalAveragePool":
            output = node.output[0] if keepdims else "flat"
            mean = helper.make_node("ReduceMean", [node.input[0], "axes"], [output], name="mean", keepdims=keepdims)
            node.CopyFrom(mean)
    if not keepdims:
        kept = [node for node in model.graph.node if node.op_type != "Flatten"]
        del model.graph.node[:]
        model.graph.node.extend(kept)
    return model


@pytest.mark.parametrize(
    ("values", "shape"), [([2.0, 2.0, 2.0], ()), ([2.0, 1.5, 1.0], (1, 3, 1, CROP.width))], ids=["equal", "different"]
)
def test_normalization_by_channel(values, shape):
    model = with_channel_constants(values)
    fast = canonicalize(model)
    np.testing.assert_array_equal(logits(fast), logits(model))
    subtract = next(node for node in fast.graph.node if node.op_type == "Sub")
    assert Graph(fast).constant(subtract.input[1]).shape == shape


@pytest.mark.parametrize("keepdims", [0, 1])
def test_the_mean_over_height_and_width_is_pooling(keepdims):
    model = with_mean(keepdims=keepdims)
    fast = canonicalize(model)
    kinds = [node.op_type for node in fast.graph.node]
    assert "ReduceMean" not in kinds
    assert "GlobalAveragePool" in kinds
    np.testing.assert_allclose(logits(fast), logits(model), rtol=1e-5, atol=1e-5)
    assert len(logits(fast)) == len(IMAGES)


def test_other_means_stay():
    model = with_mean(keepdims=1)
    for tensor in model.graph.initializer:
        if tensor.name == "axes":
            tensor.CopyFrom(numpy_helper.from_array(np.array([3]), "axes"))
    assert [n.op_type for n in canonicalize(model).graph.node] == [n.op_type for n in model.graph.node]
