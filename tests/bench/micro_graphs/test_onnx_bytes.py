import numpy as np
import onnx

from edgekit.bench.micro_graphs.onnx_bytes import model, node


def test_model_is_the_one_that_the_onnx_package_would_write():
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    nodes = [
        node("Gemm", ["source", "weights"], "product", {"transB": 1, "alpha": 0.5}),
        node("Relu", ["product"], "y"),
    ]
    content = model(
        nodes, constants={"weights": weights}, source=("source", "float32", (1, 3)), output=("y", "float32", (1, 2))
    )
    parsed = onnx.load_from_string(content)
    onnx.checker.check_model(parsed)
    assert [n.op_type for n in parsed.graph.node] == ["Gemm", "Relu"]
    assert {a.name: onnx.helper.get_attribute_value(a) for a in parsed.graph.node[0].attribute} == {
        "transB": 1,
        "alpha": 0.5,
    }
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(parsed.graph.initializer[0]), weights)
    assert [d.dim_value for d in parsed.graph.input[0].type.tensor_type.shape.dim] == [1, 3]


def test_negative_integers_and_lists_are_written_as_int64():
    content = model(
        [node("Transpose", ["source"], "y", {"perm": (1, 0), "axis": -1})],
        constants={},
        source=("source", "uint8", (2, 3)),
        output=("y", "uint8", (3, 2)),
    )
    attributes = {a.name: a for a in onnx.load_from_string(content).graph.node[0].attribute}
    assert list(attributes["perm"].ints) == [1, 0]
    assert attributes["axis"].i == -1
