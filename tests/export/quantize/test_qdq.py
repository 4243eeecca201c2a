"""The graph with integers: what it answers, and whether onnxruntime makes integer operators of it."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from made_networks import PICTURES, conv_network, logits, minmax
from onnx import numpy_helper

from edgekit.export.clean import serialized
from edgekit.export.quantize.graph import Graph, copied
from edgekit.export.quantize.qdq import (
    Scheme,
    activation_parameters,
    dequantized,
    layers_of,
    quantized,
)
from edgekit.export.quantize.ranges import Range


def difference(model: onnx.ModelProto, scheme: Scheme) -> float:
    """The largest change of a logit, as a share of the largest logit."""
    expected = logits(model)
    return float(np.abs(logits(quantized(model, minmax(model), scheme)) - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("activation", ["Relu", "Relu6", "none"])
@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_integers_answer_nearly_as_floats_do(activation, kind):
    assert difference(conv_network(activation=activation), Scheme(activations=kind)) < 0.03


def test_seven_bits_and_one_scale_are_coarser():
    model = conv_network()
    values = np.array(Graph(model).constant("expand.w"))
    fine = [np.abs(dequantized(values, 0, Scheme(reduce_range=r)) - values).max() for r in (False, True)]
    assert fine[0] < fine[1] < 4 * fine[0]
    values[0] *= 100  # one large channel takes the levels of all others
    alone = [np.abs(dequantized(values, 0, Scheme(per_channel=c)) - values)[1:].max() for c in (True, False)]
    assert alone[0] < alone[1] / 20


def test_onnxruntime_computes_it_in_integers(tmp_path):
    model = conv_network()
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    ort.InferenceSession(serialized(quantized(model, minmax(model), Scheme())), options)
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    assert (kinds["QLinearConv"], kinds["QLinearAdd"], kinds["QLinearGlobalAveragePool"]) == (4, 1, 1)
    assert kinds["QGemm"] == 1
    assert not kinds.keys() & {"Conv", "Clip", "Gemm", "Add", "GlobalAveragePool"}


def test_the_activation_vanishes_into_the_scale():
    model = conv_network()
    kinds = Counter(node.op_type for node in quantized(model, minmax(model), Scheme()).graph.node)
    assert not kinds["Clip"]
    assert kinds["Sub"] == 1  # the normalization stays in float


def test_only_what_is_chosen_becomes_integers():
    model = conv_network()
    one = quantized(model, minmax(model), Scheme(), chosen=lambda node: node.name == "depthwise")
    held = {tensor.name: tensor.data_type for tensor in one.graph.initializer}
    assert held["depthwise_weight_quantized"] == onnx.TensorProto.INT8
    assert [name for name in held if name.endswith(".w")] == ["stem.w", "expand.w", "project.w", "fc.w"]
    assert np.abs(logits(one) - logits(model)).max() < 0.02 * np.abs(logits(model)).max()


def test_layers_are_those_with_weights():
    assert layers_of(Graph(conv_network())) == ["stem", "expand", "depthwise", "project", "logits"]


def test_the_model_itself_stays_as_it_is():
    model = conv_network()
    before = model.SerializeToString(deterministic=True)
    quantized(model, minmax(model), Scheme())
    assert model.SerializeToString(deterministic=True) == before


def test_a_dead_channel_keeps_its_bias():
    model = conv_network(activation="none")
    for tensor in model.graph.initializer:
        if tensor.name == "project.w":
            values = numpy_helper.to_array(tensor).copy()
            values[2] = 0
            values[3] *= 1e-12
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    assert difference(model, Scheme()) < 0.03


def test_an_answer_beside_the_logits_keeps_its_name_and_values():
    model = conv_network()
    for name, shape in (("project", [None, 8, 16, 16]), ("flat", [None, 8])):
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    session = ort.InferenceSession(serialized(quantized(model, minmax(model), Scheme())))
    parent = ort.InferenceSession(serialized(copied(model)))
    for name in ("project", "flat", "logits"):
        found, expected = (s.run([name], {"pixels": PICTURES[0]})[0] for s in (session, parent))
        assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("activation", ["Relu", "Relu6"])
def test_an_activation_at_the_very_end_stays(activation):
    model = conv_network()
    last = model.graph.node[-1]
    last.output[0] = "before"
    bounds = [] if activation == "Relu" else ["zero", "six"]
    kind = "Relu" if activation == "Relu" else "Clip"
    model.graph.node.append(onnx.helper.make_node(kind, ["before", *bounds], ["logits"], name="end"))
    small = quantized(model, minmax(model), Scheme())
    assert logits(small).min() == logits(model).min() == 0
    assert np.abs(logits(small) - logits(model)).max() < 0.05 * logits(model).max()


@pytest.mark.parametrize("kind", ["uint8", "int8"])
@pytest.mark.parametrize("limits", [Range(0, 6), Range(-3, 5), Range(-4, 0), Range(0, 0)])
def test_zero_is_exact_and_both_ends_are_reached(limits, kind):
    step, zero = activation_parameters(limits, kind)
    info = np.iinfo(kind)
    assert info.min <= zero <= info.max
    assert step * (info.max - zero) >= limits.highest - step
    assert step * (info.min - zero) <= limits.lowest + step
    if limits.lowest == 0:
        assert zero == info.min  # or a Relu could not vanish


def test_nodes_of_one_name_are_told_apart():
    model = conv_network()
    for node in model.graph.node:
        node.name = "same" if node.op_type == "Conv" else ""
    assert len(set(layers_of(Graph(model)))) == 5
    assert difference(model, Scheme()) < 0.03
