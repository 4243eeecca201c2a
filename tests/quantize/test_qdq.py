"""The graph with integers: what it answers, and whether onnxruntime makes integer operators of it."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_networks import PICTURES, conv_network, logits, minmax
from onnx import numpy_helper

from edgekit.graph.clean import serialized
from edgekit.graph.index import Graph, copied
from edgekit.quantize.qdq import (
    Scheme,
    activation_parameters,
    dequantized,
    layers_of,
    quantized,
    rounded_weights,
    weight_scales,
)
from edgekit.quantize.ranges import Range


def difference(model: onnx.ModelProto, scheme: Scheme) -> float:
    """The largest change of a logit, as a share of the largest logit."""
    expected = logits(model)
    return float(np.abs(logits(quantized(model, minmax(model), scheme)) - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("activation", ["Relu", "Relu6", "none"])
@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_integers_answer_nearly_as_floats_do(activation, kind):
    assert difference(conv_network(activation=activation), Scheme(activations=kind)) < 0.03


def conv(**attributes: int) -> onnx.NodeProto:
    return onnx.helper.make_node("Conv", ["x", "w"], ["y"], **attributes)


def product(*, transposed: int) -> onnx.NodeProto:
    return onnx.helper.make_node("Gemm", ["x", "w"], ["y"], transB=transposed)


def test_one_scale_for_all_channels_is_coarser():
    values = np.array(Graph(conv_network()).constant("expand.w"))
    values[0] *= 100  # one large channel takes the levels of all others
    alone = [np.abs(dequantized(conv(), values, Scheme(per_channel=c)) - values)[1:].max() for c in (True, False)]
    assert alone[0] < alone[1] / 20


@pytest.mark.parametrize(
    ("node", "shape", "in_order"),
    [
        (conv(), (5, 7, 3, 3), lambda weights: weights.transpose(0, 2, 3, 1)),
        (conv(group=2), (6, 4, 1, 1), lambda weights: weights.transpose(0, 2, 3, 1)),
        (conv(), (4, 1, 5, 5), lambda weights: weights.transpose(0, 2, 3, 1)),  # one channel is not yet depthwise
        (product(transposed=1), (4, 9), lambda weights: weights),
        (product(transposed=0), (9, 4), lambda weights: weights.T),
    ],
    ids=["conv", "grouped", "gray", "transposed", "product"],
)
@pytest.mark.parametrize("per_channel", [True, False])
@given(seed=st.integers(0, 2**32 - 1), spread=st.floats(0.1, 3))
def test_two_neighboring_products_fit_into_16_bits(node, shape, in_order, per_channel, seed, spread):
    rng = np.random.default_rng(seed)
    weights = (rng.choice([-1, 1], shape) * rng.lognormal(0, spread, shape)).astype(np.float32)
    scheme = Scheme(per_channel=per_channel)
    scales = weight_scales(node, weights, scheme)
    integers = in_order(rounded_weights(node, weights, scales).astype(int)).reshape(4 if 4 in shape else shape[0], -1)
    if integers.shape[1] % 2:
        integers = np.pad(integers, ((0, 0), (0, 1)))
    pairs = integers.reshape(len(integers), -1, 2)
    largest, smallest = (255 * sign(pairs, 0).sum(axis=2) for sign in (np.maximum, np.minimum))
    assert largest.max() <= 2**15 - 1
    assert smallest.min() >= -(2**15)
    assert np.abs(integers).max() >= 63  # no coarser than 7 bits
    assert np.abs(dequantized(node, weights, scheme) - weights).max() <= 0.5001 * scales.max()


def test_depthwise_weights_keep_all_their_levels():
    weights = np.ones((6, 1, 3, 3), np.float32)
    scales = weight_scales(conv(group=6), weights, Scheme())
    assert rounded_weights(conv(group=6), weights, scales).max() == 127


def test_the_integers_of_a_saturating_processor_answer_exactly():
    """As the float arithmetic of the same graph does; full ranges are far from it on x86 without VNNI."""
    graph = Graph(conv_network(activation="Relu"))
    for name in ("expand.w", "depthwise.w", "project.w"):
        graph.put(name, np.abs(np.asarray(graph.constant(name))))
    small = quantized(graph.model, minmax(graph.model), Scheme())
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # no integer operators
    session = ort.InferenceSession(small.SerializeToString(), options)
    exact = np.concatenate([session.run(["logits"], {"pixels": picture})[0] for picture in PICTURES])
    assert np.abs(logits(small) - exact).max() < 0.01 * np.abs(exact).max()


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
