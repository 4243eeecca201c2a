"""layer_counts: in both notations of int8, as onnxruntime's quantizer writes them."""

import pytest
from made_networks import conv_network, with_large_layer
from made_precisions import SOME_LAYERS, in_int8

from edgekit.quantize.integer_layers import layer_counts
from edgekit.quantize.passes.store_dense_int8 import store_dense_int8


def test_layer_counts_of_a_float_network():
    assert layer_counts(conv_network()) == (5, 0)


@pytest.mark.parametrize("notation", ["QDQ", "QOperator"])
def test_layer_counts_finds_integer_layers_in_both_notations(notation):
    assert layer_counts(in_int8(notation)) == (0, 5)
    assert layer_counts(in_int8(notation, float_layers=SOME_LAYERS)) == (3, 2)


def test_layer_counts_counts_weights_that_are_only_stored_in_8_bits():
    assert layer_counts(store_dense_int8(with_large_layer(gemm=True))) == (7, 1)
