"""group_stem: a first convolution that reads groups of pixels, the same outputs."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_networks import conv_network, logits, minmax
from onnx import TensorProto, helper, numpy_helper

from edgekit.graph.passes.name_nodes import name_nodes
from edgekit.quantize.passes.group_stem import group_stem
from edgekit.quantize.passes.insert_qdq import insert_qdq
from edgekit.quantize.weight_format import WeightFormat

HEIGHT, WIDTH, OUTPUTS = 9, 16, 5


def stem_model(
    *,
    stride: int = 2,
    kernel: int = 3,
    pads: tuple[int, int] = (1, 1),
    channels: int = 3,
    tail: str = "",
    **attributes: object,
) -> onnx.ModelProto:
    """Pixels, a normalization, one convolution and the operator `tail` after it."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(OUTPUTS, channels, 3, kernel)),
        "b": rng.normal(size=OUTPUTS),
        "zero": 0.0,
        "six": 6.0,
    }
    geometry = {"strides": [2, stride], "pads": [1, pads[0], 1, pads[1]], "kernel_shape": [3, kernel]}
    nodes = [
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node(
            "Conv", ["floats", "w", "b"], ["stem" if tail else "output"], name="conv", **geometry, **attributes
        ),
    ]
    if tail == "Clip":
        nodes.append(helper.make_node("Clip", ["stem", "zero", "six"], ["output"]))
    elif tail:
        nodes.append(helper.make_node(tail, ["stem"], ["output"]))
    graph = helper.make_graph(
        nodes,
        "stem",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", HEIGHT, WIDTH, channels])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", OUTPUTS, "rows", "columns"])],
        [numpy_helper.from_array(np.asarray(values, np.float32), name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def output(model: onnx.ModelProto) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString())
    shape = session.get_inputs()[0].shape[1:]
    pixels = np.random.default_rng(1).integers(0, 256, (3, *shape)).astype(np.uint8)
    return session.run(["output"], {"pixels": pixels})[0]


def channels_of_conv(model: onnx.ModelProto) -> int:
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    return next(tensor.dims[1] for tensor in model.graph.initializer if tensor.name == conv.input[1])


@given(
    stride=st.sampled_from([1, 2, 4]),
    kernel=st.integers(1, 11),
    left=st.integers(0, 6),
    right=st.integers(0, 6),
    channels=st.sampled_from([1, 3]),
    tail=st.sampled_from(["", "Relu", "Clip", "Sigmoid"]),
)
def test_group_stem_keeps_the_outputs_for_any_geometry(stride, kernel, left, right, channels, tail):
    if WIDTH + left + right < kernel:
        return
    model = stem_model(stride=stride, kernel=kernel, pads=(left, right), channels=channels, tail=tail)
    grouped = group_stem(model)
    keeps_width = (WIDTH + left + right - kernel) // stride + 1 == WIDTH // stride
    assert channels_of_conv(grouped) == (4 * channels if keeps_width else channels)
    np.testing.assert_allclose(output(grouped), output(model), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(
    "model",
    [
        stem_model(stride=3, kernel=1, pads=(0, 0)),
        stem_model(stride=1, pads=(2, 2), dilations=[1, 2]),
        stem_model(channels=4),
        stem_model(channels=3, pads=(0, 0)),
    ],
    ids=["a stride that does not divide", "dilated", "four channels", "a narrower output"],
)
def test_group_stem_leaves_unsupported_geometries(model):
    assert group_stem(model) == name_nodes(model)


def test_group_stem_leaves_auto_pad_and_computed_pixels():
    auto_padded, computed = stem_model(), stem_model()
    conv = auto_padded.graph.node[2]
    del conv.attribute[:]
    conv.attribute.extend([helper.make_attribute("auto_pad", "SAME_UPPER"), helper.make_attribute("strides", [2, 2])])
    computed.graph.node[1].CopyFrom(helper.make_node("Relu", ["planes"], ["floats"]))
    for model in (auto_padded, computed):
        assert group_stem(model) == name_nodes(model)


@pytest.mark.parametrize("activation", ["Relu6", "none"])
def test_group_stem_is_fused_into_integer_convolutions(tmp_path, activation):
    """onnxruntime removes the transpositions, and the layers after the stem read integers."""
    model = conv_network(activation=activation)
    grouped = group_stem(model)
    quantized = insert_qdq(grouped, ranges=minmax(grouped), weight_format=WeightFormat())
    outputs = logits(quantized)
    np.testing.assert_allclose(outputs, logits(model), atol=0.05 * np.abs(outputs).max())
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(quantized.SerializeToString(), options)
    operators = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    assert operators["QLinearConv"] == 4
    assert operators["Conv"] == 0
    assert operators["QuantizeLinear"] == 1
    assert operators["Transpose"] <= 1  # that of the pooled vector
