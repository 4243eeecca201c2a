"""insert_qdq: the outputs of the quantized graph, and whether onnxruntime computes it in integers."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from made_networks import IMAGES, conv_network, logits, minmax
from made_precisions import SOME_LAYERS, in_int8
from onnx import helper, numpy_helper

from edgekit.graph.edit import set_constant
from edgekit.graph.index import Graph
from edgekit.graph.passes.clean import serialized
from edgekit.graph.passes.name_nodes import name_nodes
from edgekit.quantize.integer_layers import layer_counts
from edgekit.quantize.passes.expand_hard_swish import expand_hard_swish
from edgekit.quantize.passes.insert_qdq import insert_qdq
from edgekit.quantize.weight_format import WeightFormat

DEFAULT = WeightFormat()


def quantized(
    model: onnx.ModelProto, weight_format: WeightFormat = DEFAULT, *, float_nodes: Collection[str] = ()
) -> onnx.ModelProto:
    return insert_qdq(model, ranges=minmax(model), weight_format=weight_format, float_nodes=float_nodes)


def in_float(model: onnx.ModelProto) -> np.ndarray:
    """The logits without integer operators: those that the graph defines."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    return np.concatenate([session.run(["logits"], {"pixels": image})[0] for image in IMAGES])


def operators_in_onnxruntime(model: onnx.ModelProto, path: Path) -> Counter[str]:
    """The operators that onnxruntime runs for a model, which it writes to `path`."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.add_session_config_entry("session.qdqisint8allowed", "1")  # as on Arm
    ort.InferenceSession(serialized(model), options)
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def difference(model: onnx.ModelProto, weight_format: WeightFormat = DEFAULT) -> float:
    """The largest change of a logit, relative to the largest logit."""
    expected = logits(model)
    return float(np.abs(logits(quantized(model, weight_format)) - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("activation", ["Relu", "Relu6", "none"])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_insert_qdq_changes_the_logits_little(activation, dtype):
    assert difference(conv_network(activation=activation), WeightFormat(activations=dtype)) < 0.03


def test_insert_qdq_for_a_saturating_processor_is_exact():
    """Integer kernels agree with float arithmetic of the same graph; with 8-bit weights, x86 without VNNI does not."""
    graph = Graph(conv_network(activation="Relu"))
    for name in ("expand.w", "depthwise.w", "project.w"):
        set_constant(graph, name, np.abs(np.asarray(graph.constant(name))))
    int8 = quantized(graph.model)
    exact = in_float(int8)
    assert np.abs(logits(int8) - exact).max() < 0.01 * np.abs(exact).max()


def test_insert_qdq_is_fused_into_integer_operators(tmp_path):
    operators = operators_in_onnxruntime(quantized(conv_network()), tmp_path / "optimized.onnx")
    assert (operators["QLinearConv"], operators["QLinearAdd"], operators["QLinearGlobalAveragePool"]) == (4, 1, 1)
    assert operators["QGemm"] == 1
    assert not operators.keys() & {"Conv", "Clip", "Gemm", "Add", "GlobalAveragePool"}


@pytest.mark.parametrize("activation", ["HardSwish", "HardSigmoid"])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_insert_qdq_computes_hard_swish_and_hard_sigmoid_in_integers(activation, dtype, tmp_path):
    model, weight_format = expand_hard_swish(conv_network(activation=activation)), WeightFormat(activations=dtype)
    int8, expected = quantized(model, weight_format), logits(model)
    operators = operators_in_onnxruntime(int8, tmp_path / "optimized.onnx")
    assert np.abs(logits(int8) - expected).max() < 0.03 * np.abs(expected).max()
    assert np.abs(logits(int8) - in_float(int8)).max() < 0.01 * np.abs(expected).max()
    assert operators["QLinearAdd"] == 3 + 1  # one for each activation, and the residual
    assert operators["QLinearMul"] == (3 if activation == "HardSwish" else 0)
    assert not operators.keys() & {"Conv", "Clip", "Gemm", "HardSwish", "HardSigmoid", "Add"}
    read = {name for node in int8.graph.node for name in node.input}.union(output.name for output in int8.graph.output)
    assert all(read & set(node.output) for node in int8.graph.node)


def test_insert_qdq_saturates_a_hard_sigmoid_beyond_the_calibration_images():
    """The integers of the sum end at 0 and 1, whatever the input."""
    model = expand_hard_swish(conv_network(activation="HardSigmoid"))
    ranges = minmax(model)
    gates = [node.output[0] for node in model.graph.node if node.op_type == "HardSigmoid"]
    assert len(gates) == 3
    assert all(ranges[gate].lowest == 0 and 0.5 < ranges[gate].highest <= 1 for gate in gates)
    int8 = quantized(model)
    for gate in gates:
        int8.graph.output.append(
            onnx.helper.make_tensor_value_info(f"{gate}_dequantized", onnx.TensorProto.FLOAT, None)
        )
    session, extreme = ort.InferenceSession(int8.SerializeToString()), np.full_like(IMAGES[0], 255)
    for values in session.run([f"{gate}_dequantized" for gate in gates], {"pixels": extreme}):
        assert values.min() >= 0
        assert values.max() <= 1


def test_insert_qdq_leaves_a_hard_sigmoid_of_a_float_layer_in_float():
    model = expand_hard_swish(conv_network(activation="HardSwish"))
    partly = quantized(model, float_nodes={"expand"})
    operators = Counter(node.op_type for node in partly.graph.node)
    assert (operators["HardSigmoid"], operators["Add"]) == (1, 3)  # two others, and the residual
    assert np.abs(logits(partly) - logits(model)).max() < 0.03 * np.abs(logits(model)).max()


def test_insert_qdq_removes_activations():
    model = conv_network()
    operators = Counter(node.op_type for node in quantized(model).graph.node)
    assert not operators["Clip"]
    assert operators["Sub"] == 1  # the normalization stays in float


def test_insert_qdq_leaves_float_nodes():
    model = conv_network()
    partly = quantized(model, float_nodes={node.name for node in model.graph.node} - {"depthwise"})
    dtypes = {tensor.name: tensor.data_type for tensor in partly.graph.initializer}
    assert dtypes["depthwise_weight_quantized"] == onnx.TensorProto.INT8
    assert [name for name in dtypes if name.endswith(".w")] == ["stem.w", "expand.w", "project.w", "fc.w"]
    assert np.abs(logits(partly) - logits(model)).max() < 0.02 * np.abs(logits(model)).max()


def test_insert_qdq_does_not_change_its_model():
    model = conv_network()
    before = model.SerializeToString(deterministic=True)
    quantized(model)
    assert model.SerializeToString(deterministic=True) == before


def test_insert_qdq_keeps_the_bias_of_a_dead_channel():
    model = conv_network(activation="none")
    for tensor in model.graph.initializer:
        if tensor.name == "project.w":
            values = numpy_helper.to_array(tensor).copy()
            values[2] = 0
            values[3] *= 1e-12
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    assert difference(model) < 0.03


def test_insert_qdq_keeps_the_names_and_values_of_additional_outputs():
    model = conv_network()
    for name, shape in (("project", [None, 8, 16, 16]), ("flat", [None, 8])):
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    session = ort.InferenceSession(serialized(quantized(model)))
    parent = ort.InferenceSession(serialized(model))
    for name in ("project", "flat", "logits"):
        values, expected = (s.run([name], {"pixels": IMAGES[0]})[0] for s in (session, parent))
        assert np.abs(values - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("activation", ["Relu", "Relu6"])
def test_insert_qdq_keeps_an_activation_before_the_output(activation):
    model = conv_network()
    last = model.graph.node[-1]
    last.output[0] = "before"
    bounds = [] if activation == "Relu" else ["zero", "six"]
    operator = "Relu" if activation == "Relu" else "Clip"
    model.graph.node.append(onnx.helper.make_node(operator, ["before", *bounds], ["logits"], name="end"))
    int8 = quantized(model)
    assert logits(int8).min() == logits(model).min() == 0
    assert np.abs(logits(int8) - logits(model)).max() < 0.05 * logits(model).max()


def test_insert_qdq_distinguishes_nodes_with_the_same_name():
    model = conv_network()
    for node in model.graph.node:
        node.name = "same" if node.op_type == "Conv" else ""
    named = name_nodes(model)
    assert len({node.name for node in Graph(named).layers()}) == 5
    assert difference(named) < 0.03


@pytest.mark.parametrize("notation", ["QDQ", "QOperator"])
def test_insert_qdq_completes_a_network_that_is_partly_quantized(notation, tmp_path):
    """Layers between integer layers use the scales that are there: no value is rounded twice."""
    partly = in_int8(notation, float_layers=SOME_LAYERS)
    whole = quantized(partly, WeightFormat(activations="int8" if notation == "QDQ" else "uint8"))
    before, after = (Counter(node.op_type for node in model.graph.node) for model in (partly, whole))
    assert before["QuantizeLinear"] == after["QuantizeLinear"]
    assert layer_counts(whole) == (0, 5)
    operators = operators_in_onnxruntime(whole, tmp_path / "optimized.onnx")
    assert (operators["QLinearConv"], operators["Conv"], operators["FusedConv"]) == (4, 0, 0)
    scales = [{t.name: t for t in model.graph.initializer if "scale" in t.name} for model in (partly, whole)]
    assert scales[0].items() <= scales[1].items()
    assert np.abs(logits(whole) - logits(partly)).max() < 0.03 * np.abs(logits(partly)).max()


def test_insert_qdq_keeps_the_activation_before_a_scale_that_is_there():
    """A range that begins below 0 does not replace a Relu."""
    model = conv_network(activation="Relu")
    graph = Graph(model)
    set_constant(graph, "wide_scale", np.array(0.05, np.float32))
    set_constant(graph, "middle", np.array(128, np.uint8))
    inputs = ["wide_scale", "middle"]
    reader = next(node for node in model.graph.node if node.name == "depthwise")
    position = list(model.graph.node).index(reader)
    reader.input[0] = "expand_read"
    for node in (
        helper.make_node("DequantizeLinear", ["expand_integers", *inputs], ["expand_read"], name="read"),
        helper.make_node("QuantizeLinear", ["expand_relu", *inputs], ["expand_integers"], name="write"),
    ):
        model.graph.node.insert(position, node)
    whole = quantized(model)
    assert "expand_relu" in {node.name for node in whole.graph.node}
    assert np.abs(logits(whole) - logits(model)).max() < 0.03 * np.abs(logits(model)).max()


@pytest.mark.parametrize("layer", ["depthwise", "project", "logits"])
def test_insert_qdq_keeps_onnxruntime_from_rounding_the_weights_of_float_layers(tmp_path, layer):
    """Its WeightBiasQuantization does so behind a DequantizeLinear of one scale, with one scale for the whole layer."""
    mixed, options = quantized(conv_network(), float_nodes=[layer]), ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(serialized(mixed), options)
    operators = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    kept = operators["Conv"] + operators["FusedConv"] + operators["Gemm"]
    assert (kept, operators["QLinearConv"] + operators["QGemm"]) == (1, 4)
    assert np.abs(logits(mixed) - in_float(mixed)).max() < 0.05 * np.abs(in_float(mixed)).max()


def test_insert_qdq_gives_additions_scales_with_which_all_processors_round_alike():
    graph = Graph(quantized(conv_network()))
    (addition,) = (node for node in graph.nodes if node.op_type == "Add" and len(node.input) == 2)
    names = (*addition.input, f"{graph.only_consumer(addition.output[0]).output[0]}")
    producers = [graph.producer(name) for name in names]
    scales = [float(graph.constant(node.input[1])) for node in producers]
    for scale in scales[:2]:
        assert scale / scales[2] * 1023 == pytest.approx(round(scale / scales[2] * 1023), abs=1e-3)
