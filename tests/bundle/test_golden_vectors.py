"""Golden vectors, verified with numpy, Pillow, onnxruntime and json alone, as a port to another language would."""

import io
import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from made_models import write_tiny
from PIL import Image, ImageOps

from edgekit.bundle.golden_vectors import write_golden
from edgekit.dataset import ImageSet
from edgekit.errors import ArtifactError, SpecError
from edgekit.hub.built_in import built_in_models


class Golden:
    """Golden vectors, read as the format is documented."""

    def __init__(self, document: Path) -> None:
        self.folder, self.content = document.parent, json.loads(document.read_text(encoding="utf-8"))
        assert self.content["schema"] == 4
        raw = (self.folder / self.content["input"]["file"]).read_bytes()
        assert sha256(raw).hexdigest() == self.content["input"]["sha256"]
        shape = self.content["input"]["shape"][1:]
        offsets = [vector["offset"] for vector in self.vectors]
        self.pixels = [np.frombuffer(raw, np.uint8, int(np.prod(shape)), at).reshape(shape) for at in offsets]
        self.logits = np.array([vector["logits"] for vector in self.vectors], np.float32)

    @property
    def vectors(self) -> list[dict[str, Any]]:
        return self.content["vectors"]

    def decoded(self, vector: dict[str, Any]) -> Image.Image:
        """The upright image of a vector, by Pillow."""
        jpeg = (self.folder / vector["jpeg"]["file"]).read_bytes()
        assert (sha256(jpeg).hexdigest(), len(jpeg)) == (vector["jpeg"]["sha256"], vector["jpeg"]["bytes"])
        color = self.content["input"]["color"]
        return ImageOps.exif_transpose(Image.open(io.BytesIO(jpeg))).convert("RGB").convert(color)


def written(model: Path, **options: Any) -> Golden:
    return Golden(write_golden(model, **options)[1])


@pytest.fixture
def model(tiny_artifact, tmp_path):
    return Path(shutil.copy(tiny_artifact, tmp_path / "tiny.onnx"))


def test_write_golden_records_the_outputs_of_the_model(model):
    golden = written(model, count=3)
    session = onnxruntime.InferenceSession(model)
    for image, expected, vector in zip(golden.pixels, golden.logits, golden.vectors, strict=True):
        output = session.run(["logits"], {"pixels": image[None]})[0][0]
        np.testing.assert_allclose(output, expected, atol=golden.content["tolerance"]["same_kernels"])
        probabilities = np.exp(output - output.max()) / np.exp(output - output.max()).sum()
        assert vector["index"] == output.argmax()
        assert vector["label"] == golden.content["labels"][vector["index"]]
        assert vector["probability"] == pytest.approx(probabilities.max(), abs=1e-5)
        assert [entry["index"] for entry in vector["top"]] == np.argsort(-output).tolist()
        assert vector["top"][0] == {name: vector[name] for name in ("index", "label", "probability")}
    assert golden.content["model"] == {"file": "tiny.onnx", "sha256": sha256(model.read_bytes()).hexdigest()}
    assert golden.content["output"]["shape"] == [3, len(golden.content["labels"])]


def test_write_golden_names_its_files_after_the_model(model):
    names = [path.relative_to(model.parent).as_posix() for path in write_golden(model, count=2)]
    assert names == ["tiny.json", "tiny.golden.json", "tiny.golden.bin", "golden/tiny-0.jpg", "golden/tiny-1.jpg"]


def test_write_golden_replaces_its_own_files_and_no_list_of_labels(model):
    for _ in range(2):
        write_golden(model, count=1)
    model.with_suffix(".json").write_text('["cat", "dog"]')
    with pytest.raises(SpecError, match=r"tiny\.json: was not written by edgekit"):
        write_golden(model, count=1)
    assert model.with_suffix(".json").read_text() == '["cat", "dog"]'


@pytest.mark.parametrize("name", ["tiny", "lenet5-mnist-int8"])
def test_golden_jpegs_lead_to_the_decoded_and_the_cut_pixels(model, tmp_path, name):
    if name != "tiny":
        model = Path(shutil.copy(built_in_models()[name], tmp_path))
    golden = written(model, count=8)
    preprocess = golden.content["preprocess"]
    for vector, expected in zip(golden.vectors, golden.pixels, strict=True):
        image = golden.decoded(vector)
        assert [image.width, image.height] == [vector["decoded"]["width"], vector["decoded"]["height"]]
        assert sha256(np.asarray(image).tobytes()).hexdigest() == vector["decoded"]["sha256"]
        assert sha256(expected.tobytes()).hexdigest() == vector["pixels_sha256"]
        (height, width), edge = preprocess["crop"], preprocess["resize"]
        resized = image.resize([edge * side // min(image.size) for side in image.size], Image.Resampling.BILINEAR)
        left, top = round((resized.width - width) / 2), round((resized.height - height) / 2)
        cut = np.asarray(resized.crop((left, top, left + width, top + height)))
        assert (cut.reshape(expected.shape) == expected).all()


def test_gray_pixels_follow_from_the_stated_weights():
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    red, green, blue = (rgb[..., channel].astype(np.int64) for channel in range(3))
    gray = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16  # as docs/file-format.md states
    assert (np.asarray(Image.fromarray(rgb).convert("L")) == gray).all()


@pytest.mark.parametrize("temperature", [None, 0.5, 3])
def test_write_golden_records_the_temperature_and_scaled_probabilities(tmp_path, temperature):
    golden = written(write_tiny(tmp_path / "tiny.onnx", temperature=temperature), count=3)
    assert golden.content["temperature"] == temperature
    for vector in golden.vectors:
        logits = np.array(vector["logits"]) / (temperature or 1)
        probability = np.exp(logits.max()) / np.exp(logits).sum()
        assert vector["probability"] == pytest.approx(probability, rel=1e-6)
        assert vector["index"] == logits.argmax()


def test_golden_vectors_detect_a_port_that_mirrors_images(model):
    golden = written(model, count=3)
    session = onnxruntime.InferenceSession(model)
    mirrored = session.run(["logits"], {"pixels": np.stack(golden.pixels)[:, :, ::-1].copy()})[0]
    assert np.abs(mirrored - golden.logits).max() > 100 * golden.content["tolerance"]["other"]


def test_write_golden_is_reproducible_and_records_image_names(model):
    first = [path.read_bytes() for path in write_golden(model, count=2)]
    assert [path.read_bytes() for path in write_golden(model, count=2)] == first
    black = ImageSet(("red",), [np.zeros((9, 9), np.uint8)] * 2, ("a.png", "b.png"), (0, 0))
    golden = written(model, count=9, images=black)
    assert [vector["image"] for vector in golden.vectors] == ["a.png", "b.png"]
    assert not np.any(golden.pixels)


def test_write_golden_records_the_file_in_onnxruntimes_format(model):
    (model.parent / "tiny.ort").write_bytes(b"any")
    golden = written(model, count=1, ort=model.with_suffix(".ort"))
    assert golden.content["ort"] == {"file": "tiny.ort", "sha256": sha256(b"any").hexdigest()}
    assert json.loads((model.parent / "tiny.json").read_text())["ort"] == golden.content["ort"]


def test_write_golden_raises_for_an_invalid_model(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"junk")
    with pytest.raises(ArtifactError, match=r"x\.onnx"):
        write_golden(tmp_path / "x.onnx", count=1)
