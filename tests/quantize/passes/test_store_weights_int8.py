"""store_weights_int8: int8 weights of all layers, float32 arithmetic."""

import onnx
import onnxruntime as ort
import pytest
from made_networks import conv_network, logits, with_large_layer
from onnx import TensorProto

from edgekit.errors import DataError
from edgekit.quantize.passes.store_weights_int8 import store_weights_int8


def test_store_weights_int8_stores_every_larger_layer_in_8_bits():
    model = with_large_layer(gemm=True)
    small = store_weights_int8(model)
    kinds = {tensor.name: tensor.data_type for tensor in small.graph.initializer}
    for layer in ("stem", "expand", "depthwise", "project", "large", "wide", "narrow"):
        assert kinds[f"{layer}_weight_quantized"] == TensorProto.INT8
    assert kinds["fc.w"] == kinds["stem.b"] == kinds["large.b"] == TensorProto.FLOAT
    assert small.ByteSize() < 0.35 * model.ByteSize()


@pytest.mark.parametrize("gemm", [True, False])
def test_store_weights_int8_rounds_with_one_scale_per_channel(gemm):
    model = with_large_layer(gemm=gemm)
    small = store_weights_int8(model)
    scales = {tensor.name: list(tensor.dims) for tensor in small.graph.initializer}
    assert (scales["stem_weight_scale"], scales["large_weight_scale"]) == ([8], [256])
    axes = {
        node.name: attribute.i for node in small.graph.node for attribute in node.attribute if attribute.name == "axis"
    }
    assert (axes["stem_weight_DQ"], axes["large_weight_DQ"]) == (0, 0 if gemm else 1)
    assert abs(logits(small) - logits(model)).max() < 0.02 * abs(logits(model)).max()


def test_store_weights_int8_keeps_gemms_and_integers_out_of_the_arithmetic(tmp_path):
    """Of a MatMul behind a DequantizeLinear, onnxruntime makes a MatMulNBits, which is slow in WebAssembly."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    small = store_weights_int8(with_large_layer(gemm=True))
    ort.InferenceSession(small.SerializeToString(), options)
    operators = {node.name: node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node}
    assert operators["large"] == "Gemm"
    assert not {"QLinearConv", "ConvInteger", "QGemm", "MatMulInteger"} & set(operators.values())


def test_store_weights_int8_raises_for_a_network_of_tiny_layers():
    model = conv_network(channels=2)
    with pytest.raises(DataError, match="no layer with at least 128 weights; use another scheme than int8-weights"):
        store_weights_int8(model)
