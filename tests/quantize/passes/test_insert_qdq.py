"""The graph with integers: what it answers, and whether onnxruntime makes integer operators of it."""

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
    """The largest change of a logit, as a share of the largest logit."""
    expected = logits(model)
    return float(np.abs(logits(quantized(model, weight_format)) - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("activation", ["Relu", "Relu6", "none"])
@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_integers_answer_nearly_as_floats_do(activation, kind):
    assert difference(conv_network(activation=activation), WeightFormat(activations=kind)) < 0.03


def test_the_integers_of_a_saturating_processor_answer_exactly():
    """As the float arithmetic of the same graph does; full ranges are far from it on x86 without VNNI."""
    graph = Graph(conv_network(activation="Relu"))
    for name in ("expand.w", "depthwise.w", "project.w"):
        set_constant(graph, name, np.abs(np.asarray(graph.constant(name))))
    small = quantized(graph.model)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # no integer operators
    session = ort.InferenceSession(small.SerializeToString(), options)
    exact = np.concatenate([session.run(["logits"], {"pixels": image})[0] for image in IMAGES])
    assert np.abs(logits(small) - exact).max() < 0.01 * np.abs(exact).max()


def test_onnxruntime_computes_it_in_integers(tmp_path):
    model = conv_network()
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    ort.InferenceSession(serialized(quantized(model)), options)
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    assert (kinds["QLinearConv"], kinds["QLinearAdd"], kinds["QLinearGlobalAveragePool"]) == (4, 1, 1)
    assert kinds["QGemm"] == 1
    assert not kinds.keys() & {"Conv", "Clip", "Gemm", "Add", "GlobalAveragePool"}


def test_the_activation_vanishes_into_the_scale():
    model = conv_network()
    kinds = Counter(node.op_type for node in quantized(model).graph.node)
    assert not kinds["Clip"]
    assert kinds["Sub"] == 1  # the normalization stays in float


def test_only_what_is_chosen_becomes_integers():
    model = conv_network()
    one = quantized(model, float_nodes={node.name for node in model.graph.node} - {"depthwise"})
    held = {tensor.name: tensor.data_type for tensor in one.graph.initializer}
    assert held["depthwise_weight_quantized"] == onnx.TensorProto.INT8
    assert [name for name in held if name.endswith(".w")] == ["stem.w", "expand.w", "project.w", "fc.w"]
    assert np.abs(logits(one) - logits(model)).max() < 0.02 * np.abs(logits(model)).max()


def test_the_model_itself_stays_as_it_is():
    model = conv_network()
    before = model.SerializeToString(deterministic=True)
    quantized(model)
    assert model.SerializeToString(deterministic=True) == before


def test_a_dead_channel_keeps_its_bias():
    model = conv_network(activation="none")
    for tensor in model.graph.initializer:
        if tensor.name == "project.w":
            values = numpy_helper.to_array(tensor).copy()
            values[2] = 0
            values[3] *= 1e-12
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    assert difference(model) < 0.03


def test_an_answer_beside_the_logits_keeps_its_name_and_values():
    model = conv_network()
    for name, shape in (("project", [None, 8, 16, 16]), ("flat", [None, 8])):
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    session = ort.InferenceSession(serialized(quantized(model)))
    parent = ort.InferenceSession(serialized(model))
    for name in ("project", "flat", "logits"):
        found, expected = (s.run([name], {"pixels": IMAGES[0]})[0] for s in (session, parent))
        assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("activation", ["Relu", "Relu6"])
def test_an_activation_at_the_very_end_stays(activation):
    model = conv_network()
    last = model.graph.node[-1]
    last.output[0] = "before"
    bounds = [] if activation == "Relu" else ["zero", "six"]
    kind = "Relu" if activation == "Relu" else "Clip"
    model.graph.node.append(onnx.helper.make_node(kind, ["before", *bounds], ["logits"], name="end"))
    small = quantized(model)
    assert logits(small).min() == logits(model).min() == 0
    assert np.abs(logits(small) - logits(model)).max() < 0.05 * logits(model).max()


def test_nodes_of_one_name_are_told_apart():
    model = conv_network()
    for node in model.graph.node:
        node.name = "same" if node.op_type == "Conv" else ""
    named = name_nodes(model)
    assert len({node.name for node in Graph(named).layers()}) == 5
    assert difference(named) < 0.03
