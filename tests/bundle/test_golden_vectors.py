"""Golden vectors, verified with numpy, onnxruntime and json alone, as a port to another language would."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edgekit.bundle.golden_vectors import write_golden
from edgekit.dataset import ImageSet
from edgekit.errors import ArtifactError


def read_vectors(document: Path) -> tuple[np.ndarray, np.ndarray]:
    """The pixels and the logits, read as the format is documented."""
    golden = json.loads(document.read_text())
    assert golden["schema"] == 3
    raw = (document.parent / golden["input"]["file"]).read_bytes()
    assert sha256(raw).hexdigest() == golden["input"]["sha256"]
    shape = golden["input"]["shape"][1:]
    size = int(np.prod(shape))
    offsets = [vector["offset"] for vector in golden["vectors"]]
    pixels = [np.frombuffer(raw, np.uint8, size, offset).reshape(shape) for offset in offsets]
    return np.stack(pixels), np.array([vector["logits"] for vector in golden["vectors"]], np.float32)


@pytest.fixture
def model(tiny_artifact, tmp_path):
    return Path(shutil.copy(tiny_artifact, tmp_path / "tiny.onnx"))


def test_write_golden_records_the_outputs_of_the_model(model):
    document, raw = write_golden(model, count=3)
    golden = json.loads(document.read_text())
    pixels, logits = read_vectors(document)
    session = onnxruntime.InferenceSession(model)
    for image, expected, vector in zip(pixels, logits, golden["vectors"], strict=True):
        output = session.run(["logits"], {"pixels": image[None]})[0][0]
        np.testing.assert_allclose(output, expected, atol=1e-5)
        probabilities = np.exp(output - output.max()) / np.exp(output - output.max()).sum()
        assert vector["index"] == output.argmax()
        assert vector["label"] == golden["labels"][vector["index"]]
        assert vector["probability"] == pytest.approx(probabilities.max(), abs=1e-5)
    assert golden["model"]["sha256"] == sha256(model.read_bytes()).hexdigest()
    assert golden["output"]["shape"] == [3, len(golden["labels"])]
    assert len(raw.read_bytes()) == pixels.nbytes
    assert [document.name, raw.name] == ["tiny.golden.json", "tiny.golden.bin"]


@pytest.mark.parametrize("temperature", [None, 0.5, 3])
def test_write_golden_records_the_temperature_and_scaled_probabilities(tmp_path, temperature):
    from made_models import write_tiny

    document, _ = write_golden(write_tiny(tmp_path / "tiny.onnx", temperature=temperature), count=3)
    golden = json.loads(document.read_text())
    assert golden["temperature"] == temperature
    for vector in golden["vectors"]:
        logits = np.array(vector["logits"]) / (temperature or 1)
        probability = np.exp(logits.max()) / np.exp(logits).sum()
        assert vector["probability"] == pytest.approx(probability, rel=1e-6)
        assert vector["index"] == logits.argmax()


def test_golden_vectors_detect_a_port_that_mirrors_images(model):
    pixels, logits = read_vectors(write_golden(model, count=3)[0])
    session = onnxruntime.InferenceSession(model)
    mirrored = session.run(["logits"], {"pixels": pixels[:, :, ::-1].copy()})[0]
    assert np.abs(mirrored - logits).max() > 1e-2


def test_write_golden_is_reproducible_and_records_image_names(model):
    first = [path.read_bytes() for path in write_golden(model, count=2)]
    assert [path.read_bytes() for path in write_golden(model, count=2)] == first
    black = ImageSet(("red",), [np.zeros((9, 9), np.uint8)] * 2, ("a.png", "b.png"), (0, 0))
    document, _ = write_golden(model, count=9, images=black)
    assert [vector["image"] for vector in json.loads(document.read_text())["vectors"]] == ["a.png", "b.png"]
    assert not read_vectors(document)[0].any()


def test_write_golden_raises_for_an_invalid_model(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"junk")
    with pytest.raises(ArtifactError, match=r"x\.onnx"):
        write_golden(tmp_path / "x.onnx", count=1)
