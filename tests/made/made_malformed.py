"""Models whose graphs break the rules of ONNX: no graph, no nodes, cycles, names that nothing defines."""

from collections.abc import Iterator

import made_models
import onnx
from onnx import TensorProto, helper, numpy_helper


def malformed_graphs() -> Iterator[onnx.ModelProto]:
    """No graph, no nodes, no shapes, no operator set; cycles, missing names; very old and very new versions."""
    tensor, node = helper.make_tensor_value_info, helper.make_node
    weights = numpy_helper.from_array(made_models.WEIGHT[:10, :4].copy(), "w")
    x, y = tensor("x", TensorProto.FLOAT, ["N", 10]), tensor("y", TensorProto.FLOAT, ["N", 4])

    def made(*nodes: onnx.NodeProto, opset: int = 17, ir: int = 8) -> onnx.ModelProto:
        graph = helper.make_graph(list(nodes), "g", [x], [y], [weights])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)

    product = node("MatMul", ["x", "w"], ["y"])
    yield onnx.ModelProto(ir_version=8)
    yield from (made(product, opset=opset) for opset in (1, 5, 9, 99))
    yield from (made(product, ir=ir) for ir in (1, 3, 99))
    yield made()
    yield made(node("Add", ["c", "x"], ["b"]), node("Relu", ["b"], ["c"]), node("MatMul", ["c", "w"], ["y"]))
    yield made(product, product)
    yield made(node("MatMul", ["absent", "w"], ["y"]))
    yield from (made(product, node(name, [], [])) for name in ("", "Conv", "MatMul", "DequantizeLinear", "NoSuch"))
    for field in ("input", "output", "initializer"):
        model = made(product)
        model.graph.ClearField(field)
        yield model
    for model in (made(product), made(product)):
        model.graph.input[0].type.Clear()
        model.graph.input.add()
        yield model
    model = made(product)
    model.ClearField("opset_import")
    yield model
