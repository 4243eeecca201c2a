"""widen_float16: the same weights, float32 arithmetic, and nothing in the way of the quantizer."""

import numpy as np
from made_networks import conv_network, logits, with_large_layer
from made_precisions import in_float16
from onnx import TensorProto, checker, helper, numpy_helper

from edgekit.graph.index import Graph
from edgekit.quantize.passes.store_float16 import store_float16
from edgekit.quantize.passes.widen_float16 import widen_float16


def rounded_weights(model):
    """The network with weights that float16 can represent."""
    for tensor in model.graph.initializer:
        if tensor.name not in ("scale", "shift") and tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return model


def test_widen_float16_gives_the_float32_network_with_the_same_weights():
    original = rounded_weights(conv_network())
    half = in_float16(original)
    wide = widen_float16(half)
    checker.check_model(wide, full_check=True)
    assert [(n.op_type, *n.output) for n in wide.graph.node] == [(n.op_type, *n.output) for n in original.graph.node]
    np.testing.assert_array_equal(logits(wide), logits(original))
    difference = np.abs(logits(wide) - logits(half)).max()
    assert 0 < difference < 0.01 * np.abs(logits(half)).max()  # what float16 arithmetic had rounded


def test_widen_float16_restores_weights_that_were_only_stored_in_16_bits():
    original = rounded_weights(with_large_layer(gemm=False))
    wide = widen_float16(store_float16(original))
    assert [node.op_type for node in wide.graph.node] == [node.op_type for node in original.graph.node]
    assert len(Graph(wide).layers()) == len(Graph(original).layers()) == 8
    np.testing.assert_array_equal(logits(wide), logits(original))


def test_widen_float16_leaves_other_models_unchanged():
    model = conv_network()
    assert widen_float16(model).SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)


def test_widen_float16_reaches_constants_and_branches():
    half, single = TensorProto.FLOAT16, TensorProto.FLOAT
    values = numpy_helper.from_array(np.array([1.5], np.float16), "values")
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["inner"], value=values)],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", half, [1])],
    )
    graph = helper.make_graph(
        [helper.make_node("If", ["condition"], ["output"], then_branch=branch, else_branch=branch)],
        "graph",
        [helper.make_tensor_value_info("condition", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("output", half, [1])],
    )
    wide = widen_float16(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]))
    checker.check_model(wide, full_check=True)
    inner = wide.graph.node[0].attribute[0].g
    assert inner.node[0].attribute[0].t.data_type == single
    assert wide.graph.output[0].type.tensor_type.elem_type == inner.output[0].type.tensor_type.elem_type == single
