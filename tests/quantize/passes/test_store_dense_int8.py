"""store_dense_int8: int8 weights of large fully connected layers, float32 arithmetic."""

import numpy as np
import pytest
from made_networks import conv_network, logits, with_large_layer
from onnx import TensorProto

from edgekit.errors import DataError
from edgekit.quantize.passes.store_dense_int8 import dense_share, store_dense_int8


@pytest.mark.parametrize("gemm", [True, False])
def test_store_dense_int8_stores_large_layers_in_8_bits(gemm):
    model = with_large_layer(gemm=gemm)
    assert dense_share(model) > 0.9
    small = store_dense_int8(model)
    dtypes = {tensor.name: tensor.data_type for tensor in small.graph.initializer}
    assert dtypes["large_weight_quantized"] == TensorProto.INT8
    assert dtypes["narrow.w"] == TensorProto.FLOAT  # too small to gain
    assert np.abs(logits(small) - logits(model)).max() < 0.03 * np.abs(logits(model)).max()
    assert small.ByteSize() < 0.4 * model.ByteSize()


def test_store_dense_int8_raises_for_a_network_without_large_layers():
    assert dense_share(conv_network()) == 0
    with pytest.raises(DataError, match="no fully connected layer"):
        store_dense_int8(conv_network())
