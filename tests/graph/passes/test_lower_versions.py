"""The lowest versions: the same computation in files that older runtimes load."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from edgekit.graph.passes.lower_versions import _EXTENDED_BY_TYPES, lower_versions

X = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])


def made(*nodes, opset=20, ir=10, initializers=(), domains=()):
    graph = helper.make_graph(
        list(nodes), "g", [X], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], list(initializers)
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir)


def versions(model):
    return model.opset_import[0].version, model.ir_version


def quantized(**attributes):
    return (
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], **attributes),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    )


SCALE = [
    helper.make_tensor("scale", TensorProto.FLOAT, [], [0.1]),
    helper.make_tensor("zero", TensorProto.UINT8, [], [7]),
]
AXES = helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3])


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (made(helper.make_node("Relu", ["x"], ["y"]), opset=22), (14, 7)),
        (made(helper.make_node("ReduceMean", ["x", "axes"], ["y"]), initializers=[AXES]), (18, 8)),
        (made(*quantized(), initializers=SCALE), (13, 7)),
        (made(*quantized(saturate=1), initializers=SCALE), (19, 9)),
        (made(helper.make_node("Gelu", ["x"], ["y"])), (20, 9)),
        (made(helper.make_node("Cast", ["x"], ["h"], to=16), helper.make_node("Cast", ["h"], ["y"], to=1)), (19, 10)),
        (made(helper.make_node("FusedConv", ["x"], ["y"], domain="com.microsoft"), domains=["com.microsoft"]), (20, 9)),
        (made(helper.make_node("Relu", ["x"], ["y"]), opset=11, ir=4), (11, 4)),
        (made(helper.make_node("Relu", ["x"], ["y"]), opset=7), (7, 4)),  # 3 would need initializers among the inputs
    ],
)
def test_lower_versions_lowers_to_what_the_operators_need(model, expected):
    before = model.SerializeToString(deterministic=True)
    assert versions(lower_versions(model)) == expected
    assert model.SerializeToString(deterministic=True) == before


def test_lower_versions_keeps_the_outputs():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["c", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("MaxPool", ["d"], ["p"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        helper.make_node("Reshape", ["p", "shape"], ["y"]),
    ]
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    initializers = [
        *SCALE,
        onnx.numpy_helper.from_array(weights, "w"),
        helper.make_tensor("shape", TensorProto.INT64, [2], [1, -1]),
    ]
    model = made(*nodes, initializers=initializers)
    lowered = lower_versions(model)
    assert versions(lowered) == (14, 7)
    pixels = np.random.default_rng(1).standard_normal((1, 3, 8, 8)).astype(np.float32)
    first, second = (ort.InferenceSession(m.SerializeToString()).run(None, {"x": pixels})[0] for m in (model, lowered))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("operator", "version"), _EXTENDED_BY_TYPES.items())
def test_later_versions_of_the_listed_operators_have_the_same_inputs_and_defaults(operator, version):
    """The specification decides: what a listed operator gained is named, so that a node without it means the same."""
    older = onnx.defs.get_schema(operator, version)
    newest = onnx.defs.get_schema(operator, 23)
    assert older.since_version == version
    assert [value.name for value in older.inputs] == [value.name for value in newest.inputs]
    for name, attribute in older.attributes.items():
        assert attribute.default_value == newest.attributes[name].default_value, name
