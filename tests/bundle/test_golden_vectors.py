"""Golden vectors prove a model by numpy, onnxruntime and json alone, as a port in another language would."""

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
    """The pixels and the logits, by the documented format."""
    facts = json.loads(document.read_text())
    assert facts["schema"] == 2
    raw = (document.parent / facts["input"]["file"]).read_bytes()
    assert sha256(raw).hexdigest() == facts["input"]["sha256"]
    shape = facts["input"]["shape"][1:]
    size = int(np.prod(shape))
    offsets = [vector["offset"] for vector in facts["vectors"]]
    pixels = [np.frombuffer(raw, np.uint8, size, offset).reshape(shape) for offset in offsets]
    return np.stack(pixels), np.array([vector["logits"] for vector in facts["vectors"]], np.float32)


@pytest.fixture
def model(tiny_artifact, tmp_path):
    return Path(shutil.copy(tiny_artifact, tmp_path / "tiny.onnx"))


def test_the_vectors_are_what_the_model_answers(model):
    document, raw = write_golden(model, count=3)
    facts = json.loads(document.read_text())
    pixels, logits = read_vectors(document)
    session = onnxruntime.InferenceSession(model)
    for image, row, vector in zip(pixels, logits, facts["vectors"], strict=True):
        answer = session.run(["logits"], {"pixels": image[None]})[0][0]
        np.testing.assert_allclose(answer, row, atol=1e-5)
        shares = np.exp(answer - answer.max()) / np.exp(answer - answer.max()).sum()
        assert vector["index"] == answer.argmax()
        assert vector["label"] == facts["labels"][vector["index"]]
        assert vector["probability"] == pytest.approx(shares.max(), abs=1e-5)
    assert facts["model"]["sha256"] == sha256(model.read_bytes()).hexdigest()
    assert facts["output"]["shape"] == [3, len(facts["labels"])]
    assert len(raw.read_bytes()) == pixels.nbytes
    assert [document.name, raw.name] == ["tiny.golden.json", "tiny.golden.bin"]


def test_a_port_that_is_wrong_is_found(model):
    pixels, logits = read_vectors(write_golden(model, count=3)[0])
    session = onnxruntime.InferenceSession(model)
    mirrored = session.run(["logits"], {"pixels": pixels[:, :, ::-1].copy()})[0]
    assert np.abs(mirrored - logits).max() > 1e-2


def test_same_model_same_vectors_and_given_images_are_named(model):
    first = [path.read_bytes() for path in write_golden(model, count=2)]
    assert [path.read_bytes() for path in write_golden(model, count=2)] == first
    black = ImageSet(("red",), [np.zeros((9, 9), np.uint8)] * 2, ("a.png", "b.png"), (0, 0))
    document, _ = write_golden(model, count=9, images=black)
    assert [vector["image"] for vector in json.loads(document.read_text())["vectors"]] == ["a.png", "b.png"]
    assert not read_vectors(document)[0].any()


def test_what_is_no_artifact_has_no_vectors(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"junk")
    with pytest.raises(ArtifactError, match=r"x\.onnx"):
        write_golden(tmp_path / "x.onnx", count=1)
