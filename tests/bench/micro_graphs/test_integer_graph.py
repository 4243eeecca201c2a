from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from edgekit.bench.micro_graphs.integer_graph import integer_graph
from edgekit.bench.micro_graphs.steps import Chain, MicroGraph


def executed(graph: MicroGraph, tmp_path) -> Counter[str]:
    """The operators that onnxruntime executes."""
    settings = ort.SessionOptions()
    settings.log_severity_level = 4
    settings.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(integer_graph(graph, signed=False), settings, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)


def test_everything_between_pixels_and_logits_is_computed_in_integers(tmp_path):
    chain = Chain("pixels", 3, 16).regroup(12).conv(32, kernel=(3, 2), stride=(2, 1)).regroup(16)
    chain.depthwise(activation="relu6").gate(8, inner="relu", outer="hard_sigmoid")
    start = chain.position
    graph = chain.conv(16).add(start).max_pool().mean().linear(8).activation("hard_swish").linear(5).graph("name")
    operators = executed(graph, tmp_path)
    assert operators["QLinearConv"] == 5
    assert operators["QLinearAdd"] == 3  # the sum, and the lines of the hard sigmoid and of the hard swish
    assert operators["QLinearMul"] == 2
    assert operators["QLinearGlobalAveragePool"] == 2
    assert (operators["QGemm"], operators["NhwcMaxPool"], operators["QuantizeLinear"]) == (2, 1, 1)
    assert operators["DequantizeLinear"] == operators["Relu"] == 0


@pytest.mark.parametrize("signed", [False, True])
def test_graph_is_valid_and_runs_with_both_kinds_of_activations(signed):
    graph = Chain("input", 16, 8).conv(16, activation="silu").mean().graph("name")
    content = integer_graph(graph, signed=signed)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    source = np.random.default_rng(0).integers(0, 100, (1, 8, 8, 16)).astype(np.int8 if signed else np.uint8)
    (output,) = session.run(None, {"source": source})
    assert output.shape == (1, 16, 1, 1)
    assert len(np.unique(output)) > 4


def test_bounds_cost_nothing_because_the_quantized_range_has_them(tmp_path):
    with_bounds = Chain("input", 16, 8).conv(16, activation="relu6").conv(16).mean().graph("name")
    without = Chain("input", 16, 8).conv(16).conv(16).mean().graph("name")
    assert executed(with_bounds, tmp_path) == executed(without, tmp_path)
