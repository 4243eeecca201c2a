"""The .ort format, the operators of a reduced build, and what accelerators support."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_models import CROP, LABELS, tiny_info, tiny_logits, tiny_model, write_tiny
from made_plain import plain_model

from edgekit import Classifier
from edgekit.artifact.info import write_info
from edgekit.bundle import onnxruntime_mobile
from edgekit.bundle.golden_vectors import write_golden
from edgekit.bundle.onnxruntime_mobile import provider_reports, provider_source, write_ort
from edgekit.dataset import ImageSet
from edgekit.errors import ArtifactError, ParityError, SpecError
from edgekit.export.parity_inputs import sample_sources
from edgekit.files import sha256
from edgekit.hub.built_in import built_in_models
from edgekit.quantize.candidates import CandidateBuilder
from edgekit.quantize.float_source import read_float_source
from edgekit.quantize.pixel_cache import PixelCache
from edgekit.quantize.search import schemes_for
from edgekit.runtime.targets import TARGETS
from edgekit.stages import no_progress

PIXELS = np.random.default_rng(0).integers(0, 256, (3, *CROP, 3), np.uint8)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ort")
    source = write_tiny(folder / "tiny.onnx")
    return source, folder / "tiny.ort", write_ort(source, folder / "tiny.ort")


def test_classifier_loads_an_ort_file_only_if_trusted(converted):
    with pytest.raises(ArtifactError, match=r"tiny\.ort: refused: .*`trusted`"):
        Classifier(converted[1])
    assert Classifier(converted[1], trusted=True).info.labels == LABELS


def test_write_ort_keeps_the_logits_and_the_metadata(converted):
    source, path, _ = converted
    with Classifier(path, trusted=True) as classifier:
        np.testing.assert_allclose(classifier.logits(PIXELS), tiny_logits(PIXELS), atol=1e-4)
        info = classifier.info
    assert (info.preprocess, info.license) == (tiny_info().preprocess, tiny_info().license)
    assert info.parent_sha256 == sha256(source.read_bytes())
    assert info.parity["ort"]["agreement"] == 1


def test_write_ort_lists_the_operators_of_a_reduced_build_without_paths(converted):
    source, path, config = converted
    lines = config.read_text().splitlines()
    assert config.name == "tiny.required_operators.config"
    assert lines[0] == "# Operators of tiny.ort (tiny, float32)"
    operators = {operator for line in lines[1:] for operator in line.split(";")[2].split(",")}
    assert {"Cast", "MatMul"} <= operators
    assert operators <= {node.op_type for node in onnx.load(source).graph.node}
    assert str(path.parent) not in config.read_text()


def test_write_ort_converts_int8_files(tmp_path):
    source, path = built_in_models()["lenet5-mnist-int8"], tmp_path / "lenet5.ort"
    operators = write_ort(source, path).read_text()
    digit = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), np.uint8)
    assert "QLinearConv" in operators
    np.testing.assert_allclose(Classifier(path, trusted=True).logits(digit), Classifier(source).logits(digit), atol=0.5)


@pytest.fixture(scope="module")
def drawn() -> ImageSet:
    sources, names = sample_sources(None, 16)
    return ImageSet((), sources, names, (0,) * len(sources))


def quantized(target: str, images: ImageSet, path: Path) -> Path:
    """MobileNetV2 for a target: deep enough that float kernels for some layers change the logits."""
    source = read_float_source(built_in_models()["mobilenet_v2-cifar10"])
    with PixelCache(images, source.info.preprocess) as pixels:
        builder = CandidateBuilder(source.model, pixels, target=TARGETS[target], progress=no_progress)
        data = builder.build(schemes_for(source.model, TARGETS[target])[0])
    parity = {"quantize": {"target": target}}
    write_info(data, dataclasses.replace(source.info, precision="int8", parity=parity), path)
    return path


@pytest.mark.parametrize("target", TARGETS)
def test_golden_vectors_agree_with_the_ort_file_of_the_same_export(drawn, tmp_path, monkeypatch, target):
    monkeypatch.setattr(onnxruntime_mobile, "_required_operators_config", lambda *of: "")  # takes most of the time
    model = quantized(target, drawn, tmp_path / "model.onnx")
    write_ort(model, tmp_path / "model.ort")
    _, document, pixels, *_ = write_golden(model, count=8)
    golden = json.loads(document.read_text(encoding="utf-8"))
    expected = np.array([vector["logits"] for vector in golden["vectors"]], np.float32)
    batch = np.frombuffer(pixels.read_bytes(), np.uint8).reshape(golden["input"]["shape"])
    with Classifier(tmp_path / "model.ort", trusted=True) as classifier:
        logits = np.concatenate([classifier.logits(image[None]) for image in batch])
    # A file for the web computes in float32, whose sums depend on their order.
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 if target == "web" else 0)


def test_write_ort_writes_nothing_if_the_logits_change(tmp_path, monkeypatch):
    import edgekit.bundle.onnxruntime_mobile as module

    other = module._convert(write_tiny(tmp_path / "a.onnx", other_weights()).read_bytes(), "other")
    monkeypatch.setattr(module, "_convert", lambda model, name: other)
    with pytest.raises(ParityError, match=r"converting to \.ort changed the outputs"):
        write_ort(write_tiny(tmp_path / "b.onnx"), tmp_path / "b.ort")
    assert not (tmp_path / "b.ort").exists()


def other_weights() -> onnx.ModelProto:
    model = tiny_model()
    weight = onnx.numpy_helper.to_array(model.graph.initializer[2])
    model.graph.initializer[2].CopyFrom(onnx.numpy_helper.from_array(-weight, "weight"))
    return model


def test_write_ort_does_not_replace_its_source(tmp_path):
    source = write_tiny(tmp_path / "tiny.onnx")
    with pytest.raises(SpecError, match="would replace"):
        write_ort(source, source)


def test_classifier_raises_for_third_party_and_truncated_ort_files(tmp_path, converted):
    import edgekit.bundle.onnxruntime_mobile as module

    foreign = tmp_path / "foreign.ort"
    foreign.write_bytes(module._convert(plain_model().SerializeToString(), "plain"))
    with pytest.raises(ArtifactError, match="without edgekit metadata"):
        Classifier(foreign, trusted=True)
    foreign.write_bytes(converted[1].read_bytes()[:5000])
    with pytest.raises(ArtifactError, match="onnxruntime cannot load it"):
        Classifier(foreign, trusted=True)


def test_provider_reports_count_the_nodes_that_each_provider_supports():
    model = plain_model()
    hard = onnx.helper.make_node("HardSwish", ["grid"], ["active"])
    model.graph.node[1].CopyFrom(hard)
    reports = {report.provider: report for report in provider_reports(model.SerializeToString(), name="m")}
    assert set(reports) == {"NNAPI", "CoreML, NeuralNetwork", "CoreML, MLProgram"}
    nnapi = reports["NNAPI"]
    assert nnapi.refused == ("ai.onnx:HardSigmoid",)  # onnxruntime rewrites HardSwish with it
    assert (nnapi.nodes - nnapi.taken, nnapi.partitions) == (1, 2)
    assert any("Conv" in condition for condition in nnapi.conditions)
    assert "onnxruntime 1." in provider_source()
