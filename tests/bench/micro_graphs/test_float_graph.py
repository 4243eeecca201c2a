from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from edgekit.bench.micro_graphs.float_graph import float_graph
from edgekit.bench.micro_graphs.steps import Chain, MicroGraph


def everything() -> MicroGraph:
    """A graph with every kind of step that a network with pixels has."""
    chain = Chain("pixels", 3, 16).conv(16, kernel=3, stride=2, activation="hard_swish").max_pool()
    chain.depthwise(kernel=5, activation="silu").gate(8, inner="relu", outer="hard_sigmoid")
    start = chain.position
    return chain.conv(16, activation="relu6").add(start).mean().linear(5).graph("everything")


def optimized(content: bytes, tmp_path) -> Counter[str]:
    """The operators that onnxruntime executes."""
    settings = ort.SessionOptions()
    settings.log_severity_level = 4
    settings.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)


def test_graph_with_every_step_is_valid_and_runs():
    content = float_graph(everything())
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"source": np.full((1, 16, 16, 3), 100, np.uint8)})
    assert logits.shape == (1, 5)
    assert np.isfinite(logits).all()


def test_convolution_has_the_border_that_its_shapes_imply():
    content = float_graph(Chain("input", 4, 7).conv(8, kernel=3, stride=2).depthwise(kernel=5).graph("name"))
    first, second = (node for node in onnx.load_from_string(content).graph.node if node.op_type == "Conv")
    pads = [next(list(entry.ints) for entry in node.attribute if entry.name == "pads") for node in (first, second)]
    assert pads == [[1, 1, 1, 1], [2, 2, 2, 2]]


@pytest.mark.parametrize(("activation", "kinds"), [("relu", 0), ("silu", 1)])
def test_activation_is_fused_as_in_exported_networks(tmp_path, activation, kinds):
    graph = Chain("input", 16, 8).conv(16, activation=activation).conv(16).graph("name")
    operators = optimized(float_graph(graph), tmp_path)
    assert operators["Conv"] == 2
    assert operators["QuickGelu"] == kinds


def test_shortcut_without_weights_appends_zero_channels():
    content = float_graph(Chain("input", 2, 4).pad(6).graph("name"))
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    source = np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4)
    (output,) = session.run(None, {"source": source})
    expected = np.zeros((1, 6, 2, 2), np.float32)
    expected[:, 2:4] = source[:, :, ::2, ::2]
    np.testing.assert_array_equal(output, expected)
