"""store_float16: half the file size, the same outputs up to the rounding of the weights."""

import numpy as np
from made_networks import logits, with_large_layer
from onnx import TensorProto, numpy_helper

from edgekit.quantize.passes.store_float16 import store_float16


def test_store_float16_halves_the_file_and_keeps_the_logits():
    model = with_large_layer(gemm=True)
    small = store_float16(model)
    assert small.ByteSize() < 0.55 * model.ByteSize()
    assert np.abs(logits(small) - logits(model)).max() < 2e-3 * np.abs(logits(model)).max()


def test_store_float16_leaves_values_beyond_its_range():
    model = with_large_layer(gemm=True)
    for tensor in model.graph.initializer:
        if tensor.name == "large.w":
            tensor.CopyFrom(numpy_helper.from_array(1e6 * numpy_helper.to_array(tensor), tensor.name))
    dtypes = {tensor.name: tensor.data_type for tensor in store_float16(model).graph.initializer}
    assert (dtypes["large.w"], dtypes["wide.w"]) == (TensorProto.FLOAT, TensorProto.FLOAT16)
