"""dequantize_weights: float layers get float weights, integer layers keep theirs."""

import numpy as np
import pytest
from made_networks import logits, with_large_layer
from made_precisions import in_int8
from onnx import numpy_helper

from edgekit.graph.index import Graph
from edgekit.quantize.passes.dequantize_weights import dequantize_weights
from edgekit.quantize.passes.store_dense_int8 import store_dense_int8


def test_dequantize_weights_of_a_layer_that_only_stores_integers():
    model = with_large_layer(gemm=True)
    stored = store_dense_int8(model)
    dequantized = dequantize_weights(stored)
    assert "DequantizeLinear" not in {node.op_type for node in dequantized.graph.node}
    assert len(Graph(dequantized).layers()) == 8
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in dequantized.graph.initializer}
    (name,) = [name for name in weights if name.endswith("weight_float32")]
    original = next(numpy_helper.to_array(t) for t in model.graph.initializer if t.name == "large.w")
    scales = next(numpy_helper.to_array(t) for t in stored.graph.initializer if t.name == "large_weight_scale")
    integers = next(numpy_helper.to_array(t) for t in stored.graph.initializer if t.name == "large_weight_quantized")
    np.testing.assert_array_equal(weights[name], integers * scales)
    assert np.abs(weights[name] - original.T).max() <= scales.max() / 2
    # onnxruntime multiplies the stored form with 8-bit activations of its own.
    assert np.abs(logits(dequantized) - logits(stored)).max() < 0.05 * np.abs(logits(stored)).max()


@pytest.mark.parametrize("notation", ["QDQ", "QOperator"])
def test_dequantize_weights_leaves_integer_layers_unchanged(notation):
    model = in_int8(notation)
    same = dequantize_weights(model)
    assert same.SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)
