import platform
from collections import Counter

import onnx
import onnxruntime as ort
import pytest

from edgekit.bench.micro_graphs.steps import Chain
from edgekit.fit.fusion import fused
from edgekit.fit.operators import operators_of
from edgekit.hub.model_files import model_path


def kinds(steps, precision):
    return [step.kind for step in fused(steps, precision=precision)]


def test_activation_and_sum_are_computed_with_the_convolution_in_float32():
    chain = Chain("input", 16, 8).conv(16)
    start = chain.position
    steps = chain.conv(16, activation="relu").conv(16).add(start).activation("relu").graph("name").steps
    operators = fused(steps, precision="float32")
    assert [(step.kind, step.activation, step.adds, step.inputs) for step in operators] == [
        ("input", "", False, ()),
        ("conv", "", False, (0,)),
        ("conv", "relu", False, (1,)),
        ("conv", "relu", True, (2, 1)),
    ]


def test_int8_adds_separately_and_has_bounds_for_nothing():
    chain = Chain("input", 16, 8).conv(16)
    start = chain.position
    steps = chain.conv(16, activation="relu6").add(start).activation("silu").graph("name").steps
    assert kinds(steps, "int8") == ["input", "conv", "conv", "add", "activation"]


def test_value_with_two_readers_is_activated_separately():
    chain = Chain("input", 16, 8).conv(16)
    start = chain.position
    steps = chain.activation("relu").conv(16, activation="relu").add(start).graph("name").steps
    assert kinds(steps, "float32") == ["input", "conv", "activation", "conv", "add"]


def test_silu_is_an_operator_of_its_own_and_views_are_none():
    steps = Chain("pixels", 3, 8).regroup(12).conv(16, activation="silu").graph("name").steps
    assert kinds(steps, "float32") == ["pixels", "conv", "activation"]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="onnxruntime fuses otherwise on Arm")
@pytest.mark.parametrize("name", ["mobilenet_v2-cifar10", "mobilenet_v2-cifar10-int8"])
def test_operators_are_those_that_onnxruntime_executes(name, tmp_path):
    path = model_path(name)
    settings = ort.SessionOptions()
    settings.log_severity_level = 4
    settings.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    nodes = onnx.load(tmp_path / "optimized.onnx").graph.node
    executed = Counter(node.op_type for node in nodes)
    network = operators_of(path.read_bytes(), name=name)
    counts = Counter(step.kind for step in network.operators)
    if network.precision == "float32":
        assert counts["conv"] == executed["Conv"]
        sums = [node for node in nodes if node.op_type == "Conv" and len(node.input) == 4]
        assert sum(step.adds for step in network.operators) == len(sums) > 5
        assert counts["linear"] == executed["Gemm"]
    else:
        assert counts["conv"] == executed["QLinearConv"]
        assert counts["add"] == executed["QLinearAdd"] > 5
        assert counts["linear"] == executed["QGemm"]
    assert counts["activation"] == 0
