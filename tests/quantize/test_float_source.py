"""read_float_source: what a file in another precision becomes, and the notes about it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_models import refused_models
from made_networks import IMAGES, conv_network, network_info, with_large_layer, write_network
from made_precisions import SOME_LAYERS, in_float16, in_int8

from edgekit.artifact.info import write_info
from edgekit.errors import ArtifactError, ParityError
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


def malformed() -> Iterator[tuple[str, onnx.ModelProto, str]]:
    """Graphs that cannot run, with a part of the message."""
    yield from ((f"refused-{name}", model, ".") for name, model, _ in refused_models())
    for name in ("graph", "input", "output"):
        model = conv_network()
        model.ClearField("graph") if name == "graph" else model.graph.ClearField(name)
        yield f"no-{name}", model, "."
    cyclic = conv_network()
    cyclic.graph.node[5].input[0] = cyclic.graph.node[7].output[0]
    yield "cyclic", cyclic, "."
    dangling = conv_network()
    dangling.graph.node[5].input[1] = "nowhere"
    yield "dangling", dangling, "."
    newer = conv_network()
    newer.opset_import[0].version = 999
    yield "opset-of-the-future", newer, "onnxruntime cannot load it"
    older = conv_network()
    older.opset_import[0].version = 11
    yield "old-opset", older, r"needs opset 13 or later \(got 11\)"


@pytest.mark.parametrize(("name", "model", "message"), [pytest.param(*case, id=case[0]) for case in malformed()])
def test_read_float_source_reports_a_graph_that_cannot_run_in_one_line(tmp_path, name, model, message):
    path = tmp_path / f"{name}.onnx"
    write_info(model.SerializeToString(), network_info(), path)
    with pytest.raises(ArtifactError, match=message) as caught:
        read_float_source(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < len(str(path)) + 420
    assert "\n" not in str(caught.value)
