"""The oldest onnxruntime that loads a file, from its versions."""

import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.artifact.required_runtime import oldest_onnxruntime
from edgekit.errors import ArtifactError
from edgekit.hub.built_in import built_in_models


def relu(opset, ir_version, **domains):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [value])
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(f"com.{name}", n) for name, n in domains.items())]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version).SerializeToString()


@pytest.mark.parametrize(
    ("opset", "ir_version", "oldest"),
    [
        (13, 7, "1.15"),
        (18, 8, "1.15"),
        (20, 9, "1.17"),
        (18, 10, "1.18"),
        (22, 10, "1.21"),
        (24, 12, "1.24"),
        (99, 8, None),
    ],
)
def test_oldest_onnxruntime_follows_from_opset_and_ir_version(opset, ir_version, oldest):
    assert oldest_onnxruntime(relu(opset, ir_version, microsoft=99)) == oldest


def test_oldest_onnxruntime_of_the_shipped_models_is_the_oldest_tried():
    assert {oldest_onnxruntime(path.read_bytes()) for path in built_in_models().values()} == {"1.15"}


def test_oldest_onnxruntime_refuses_what_is_no_model():
    with pytest.raises(ArtifactError, match="it states no IR version"):
        oldest_onnxruntime(onnx.ModelProto(producer_name="x").SerializeToString())
