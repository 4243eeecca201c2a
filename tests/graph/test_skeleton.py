"""The skeleton has the shapes of the model, and none of its weights."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ArtifactError
from edgekit.graph.index import tensor_shapes
from edgekit.graph.skeleton import skeleton
from edgekit.hub.built_in import built_in_models


def model():
    """x -> Reshape to an initializer's shape -> MatMul with an initializer -> Add a Constant, all documented."""
    large = np.zeros((784, 1000), np.float32)
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["flat"], doc_string="reshape" * 10_000),
        helper.make_node("MatMul", ["flat", "weights"], ["product"]),
        helper.make_node("Constant", [], ["bias"], value=numpy_helper.from_array(large[:100], "value")),
        helper.make_node("Slice", ["bias", "start", "end"], ["slice"]),
        helper.make_node("Add", ["product", "slice"], ["y"]),
    ]
    integers = {"shape": [1, 784], "start": [0], "end": [1]}
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(large, "weights"),
            *(numpy_helper.from_array(np.array(v), k) for k, v in integers.items()),
        ],
        doc_string="graph" * 10_000,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], doc_string="model" * 10_000)
    made.metadata_props.add(key="key", value="value" * 10_000)
    return made


def test_skeleton_has_the_same_shapes_and_a_hundredth_of_the_bytes():
    whole = model()
    data = skeleton(whole.SerializeToString())
    cut = onnx.load_from_string(data)
    assert len(data) < 2_000 < 3_000_000 < whole.ByteSize()
    assert tensor_shapes(cut) == tensor_shapes(whole)
    assert tensor_shapes(cut)["y"] == (1, 1000)
    assert [tensor.name for tensor in cut.graph.initializer] == ["weights", "shape", "start", "end"]
    assert [list(tensor.dims) for tensor in cut.graph.initializer] == [[784, 1000], [2], [1], [1]]


@pytest.mark.parametrize("name", ["lenet5-mnist", "mobilenet_v2-cifar10-int8"])
def test_skeleton_keeps_the_shapes_of_built_in_models(name):
    data = built_in_models()[name].read_bytes()
    assert tensor_shapes(onnx.load_from_string(skeleton(data))) == tensor_shapes(onnx.load_from_string(data))


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x3a\x05ab", b"no model"])
def test_skeleton_raises_for_other_files(data):
    with pytest.raises(ArtifactError, match=r"^not an ONNX file"):
        skeleton(data)
