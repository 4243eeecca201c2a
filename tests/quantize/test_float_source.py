"""read_float_source: what a file in another precision becomes, and the notes about it."""

from pathlib import Path

import numpy as np
import pytest
from made_networks import IMAGES, conv_network, with_large_layer, write_network
from made_precisions import SOME_LAYERS, in_float16, in_int8

from edgekit.errors import ParityError
from edgekit.quantize import float_source
from edgekit.quantize.float_source import read_float_source
from edgekit.quantize.passes.store_dense_int8 import store_dense_int8


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "source.onnx"


def test_read_float_source_leaves_a_float32_file_as_it_is(path):
    source = read_float_source(write_network(path))
    assert source.float32 is source.data
    assert source.layers == (5, 0)
    assert source.with_measured_conversion(IMAGES) is source
    assert source.notes() == []


@pytest.mark.parametrize(
    ("model", "layers"), [(in_float16(conv_network()), 5), (store_dense_int8(with_large_layer(gemm=True)), 8)]
)
def test_read_float_source_converts_a_file_to_float32_and_measures_that(path, model, layers):
    source = read_float_source(write_network(path, model))
    assert source.layers == (layers, 0)
    measured = source.with_measured_conversion(IMAGES)
    figures = measured.info.parity["float32"]
    assert (figures["images"], figures["agreement"]) == (len(IMAGES), 1)
    assert 0 < figures["relative_difference"] < 0.03
    (note,) = measured.notes()
    assert note.startswith(f"{path}: its float32 weights are converted to float32 and keep their values; the logits ")
    assert note.endswith(f"change by up to {figures['logit_difference']}")


def test_with_measured_conversion_raises_if_the_logits_change(path, monkeypatch):
    monkeypatch.setattr(float_source, "widen_float16", lambda model: conv_network(seed=1))
    source = read_float_source(write_network(path, in_float16(conv_network())))
    with pytest.raises(ParityError, match="converting to float32 changed the outputs"):
        source.with_measured_conversion(IMAGES)


@pytest.mark.parametrize("notation", ["QDQ", "QOperator"])
def test_read_float_source_counts_integer_layers(path, notation):
    source = read_float_source(write_network(path, in_int8(notation)))
    assert source.float32 is source.data
    assert source.notes() == [f"{path}: all 5 layers are int8 already, so the model is compared, not quantized"]
    source = read_float_source(write_network(path, in_int8(notation, float_layers=SOME_LAYERS)))
    layers = "2 of its 5 layers are int8 already and stay unchanged; layers left to quantize: 3"
    assert source.notes() == [f"{path}: {layers}"]
    np.testing.assert_array_equal(source.layers, (3, 2))
