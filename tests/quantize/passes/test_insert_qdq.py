"""insert_qdq: the outputs of the quantized graph, and whether onnxruntime computes it in integers."""

from collections import Counter
from collections.abc import Collection

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from made_networks import IMAGES, conv_network, logits, minmax
from onnx import numpy_helper

from edgekit.graph.edit import set_constant
from edgekit.graph.index import Graph
from edgekit.graph.passes.clean import serialized
from edgekit.graph.passes.name_nodes import name_nodes
from edgekit.quantize.passes.insert_qdq import insert_qdq
from edgekit.quantize.weight_format import WeightFormat

DEFAULT = WeightFormat()


def quantized(
    model: onnx.ModelProto, weight_format: WeightFormat = DEFAULT, *, float_nodes: Collection[str] = ()
) -> onnx.ModelProto:
    return insert_qdq(model, ranges=minmax(model), weight_format=weight_format, float_nodes=float_nodes)


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
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # no integer operators
    session = ort.InferenceSession(int8.SerializeToString(), options)
    exact = np.concatenate([session.run(["logits"], {"pixels": image})[0] for image in IMAGES])
    assert np.abs(logits(int8) - exact).max() < 0.01 * np.abs(exact).max()


def test_insert_qdq_is_fused_into_integer_operators(tmp_path):
    model = conv_network()
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    ort.InferenceSession(serialized(quantized(model)), options)
    operators = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    assert (operators["QLinearConv"], operators["QLinearAdd"], operators["QLinearGlobalAveragePool"]) == (4, 1, 1)
    assert operators["QGemm"] == 1
    assert not operators.keys() & {"Conv", "Clip", "Gemm", "Add", "GlobalAveragePool"}


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
