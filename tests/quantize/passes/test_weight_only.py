"""Files that are smaller and compute in float."""

import numpy as np
import onnx
import pytest
from made_networks import conv_network, logits
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import DataError
from edgekit.quantize.passes.weight_only import dense_share, with_dense_int8, with_float16


def with_large_layer(*, gemm: bool) -> onnx.ModelProto:
    """The network with a layer of 256 x 512 weights before its last one, as a Gemm or as a MatMul."""
    model = conv_network()
    rng, graph = np.random.default_rng(0), model.graph
    last = graph.node.pop()
    shapes = {"wide.w": (8, 512), "large.w": (256, 512) if gemm else (512, 256), "narrow.w": (256, 8)}
    for name, shape in shapes.items():
        values = rng.normal(0, 1 / np.sqrt(shape[0]), shape).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(values, name))
    if gemm:
        graph.initializer.append(numpy_helper.from_array(rng.normal(0, 1, 256).astype(np.float32), "large.b"))
    large = ["wide", "large.w", "large.b"] if gemm else ["wide", "large.w"]
    attributes = {"transB": 1} if gemm else {}
    graph.node.append(helper.make_node("MatMul", ["flat", "wide.w"], ["wide"], name="wide"))
    graph.node.append(helper.make_node("Gemm" if gemm else "MatMul", large, ["large"], name="large", **attributes))
    graph.node.append(helper.make_node("MatMul", ["large", "narrow.w"], ["narrow"], name="narrow"))
    last.input[0] = "narrow"
    graph.node.append(last)
    return model


@pytest.mark.parametrize("gemm", [True, False])
def test_large_dense_layers_keep_8_bits(gemm):
    model = with_large_layer(gemm=gemm)
    assert dense_share(model) > 0.9
    small = with_dense_int8(model)
    kinds = {tensor.name: tensor.data_type for tensor in small.graph.initializer}
    assert kinds["large_weight_quantized"] == TensorProto.INT8
    assert kinds["narrow.w"] == TensorProto.FLOAT  # too small to be worth it
    assert np.abs(logits(small) - logits(model)).max() < 0.03 * np.abs(logits(model)).max()
    assert small.ByteSize() < 0.4 * model.ByteSize()


def test_a_network_without_dense_layers_has_nothing_to_store():
    assert dense_share(conv_network()) == 0
    with pytest.raises(DataError, match="no fully connected layer"):
        with_dense_int8(conv_network())


def test_float16_halves_the_file_and_answers_in_float32():
    model = with_large_layer(gemm=True)
    small = with_float16(model)
    assert small.ByteSize() < 0.55 * model.ByteSize()
    assert np.abs(logits(small) - logits(model)).max() < 2e-3 * np.abs(logits(model)).max()


def test_values_beyond_float16_stay():
    model = with_large_layer(gemm=True)
    for tensor in model.graph.initializer:
        if tensor.name == "large.w":
            tensor.CopyFrom(numpy_helper.from_array(1e6 * numpy_helper.to_array(tensor), tensor.name))
    held = {tensor.name: tensor.data_type for tensor in with_float16(model).graph.initializer}
    assert (held["large.w"], held["wide.w"]) == (TensorProto.FLOAT, TensorProto.FLOAT16)
