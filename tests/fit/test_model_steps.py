import pytest
from onnx import TensorProto, helper

from edgekit.bench.micro_graphs.float_graph import float_graph
from edgekit.bench.micro_graphs.integer_graph import integer_graph
from edgekit.bench.micro_graphs.steps import Chain
from edgekit.errors import ArtifactError
from edgekit.fit.fusion import fused
from edgekit.fit.model_steps import model_precision, model_steps


def everything() -> Chain:
    chain = Chain("pixels", 3, 16).conv(16, kernel=3, stride=2, activation="hard_swish").max_pool()
    chain.depthwise(kernel=5, activation="silu").gate(8, inner="relu", outer="hard_sigmoid")
    start = chain.position
    chain.conv(16, activation="relu6").add(start)
    start = chain.position
    chain.conv(24, kernel=3, stride=2)
    main = chain.position
    return chain.at(start).pad(24).add(main).activation("relu").mean().linear(8).activation("hard_swish").linear(5)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_steps_of_a_file_are_those_that_it_was_written_from(precision):
    graph = everything().graph("everything")
    content = float_graph(graph) if precision == "float32" else integer_graph(graph, signed=False)
    assert model_precision(content) == precision
    read = fused(model_steps(content, name="everything.onnx"), precision=precision)
    assert read == fused(graph.steps, precision=precision)


def test_operator_that_no_micro_graph_stands_for_is_named():
    nodes = [
        helper.make_node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Tanh", ["x"], ["y"], name="curve"),
    ]
    source = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", 4, 4, 3])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "graph", [source], [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    with pytest.raises(ArtifactError, match=r"m\.onnx: no micro-graph stands for the operator 'Tanh' of node 'curve'"):
        model_steps(model.SerializeToString(), name="m.onnx")


def test_file_that_is_no_model_is_refused_in_one_line():
    with pytest.raises(ArtifactError, match=r"^m\.onnx: ") as caught:
        model_steps(b"no model", name="m.onnx")
    assert "\n" not in str(caught.value)
