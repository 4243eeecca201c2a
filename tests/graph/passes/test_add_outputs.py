"""Features and class maps: what they are by numpy, and that they survive."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_models import tiny_model, write_tiny
from made_plain import LABELS, SIZE, plain_model
from PIL import Image

from edgekit import Classifier, Preprocess
from edgekit.artifact.info import read_info
from edgekit.errors import ParityError, SpecError
from edgekit.export.adopt import adopt
from edgekit.export.finalize import Interface, change_interface, require_maps_of_logits
from edgekit.export.third_party import read_third_party
from edgekit.graph.index import Graph
from edgekit.graph.passes.add_outputs import add_outputs
from edgekit.runtime.session import open_session, run_batches

PREPROCESS = Preprocess(resize=14, crop=SIZE, mean=0.5, std=0.25)
PIXELS = np.random.default_rng(0).integers(0, 256, (5, *SIZE, 3), np.uint8)

pytestmark = pytest.mark.usefixtures("unsimplified")


def adopted(folder: Path, *, further: bool = True) -> Path:
    (folder / "plain.onnx").write_bytes(plain_model().SerializeToString())
    path = folder / "adopted.onnx"
    plain = read_third_party(folder / "plain.onnx")
    interface = Interface(features=further, activation_maps=further)
    adopt(plain, path, preprocess=PREPROCESS, labels=LABELS, interface=interface)
    return path


def output(path: Path, name: str, pixels: np.ndarray) -> np.ndarray:
    return run_batches(open_session(path.read_bytes(), name="test"), pixels, output=name)


def test_features_give_the_logits_and_so_does_the_mean_of_the_maps(tmp_path):
    path = adopted(tmp_path)
    classifier, graph = Classifier(path), Graph(onnx.load(path))
    logits, features, maps = (
        classifier.logits(PIXELS),
        output(path, "features", PIXELS),
        output(path, "maps", PIXELS),
    )
    head, bias = graph.constant("head"), graph.constant("bias")
    assert (features.shape, maps.shape) == ((5, 8), (5, 4, *SIZE))
    np.testing.assert_allclose(features @ head.T + bias, logits, atol=1e-4)
    np.testing.assert_allclose(maps.mean(axis=(2, 3)), logits, atol=1e-4)
    assert maps.std(axis=(2, 3)).min() > 0


def test_the_logits_are_those_of_the_file_without_them(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    with_them, without = Classifier(adopted(first)), Classifier(adopted(second, further=False))
    np.testing.assert_array_equal(with_them.logits(PIXELS), without.logits(PIXELS))


def test_they_survive_quantization(tmp_path):
    rng = np.random.default_rng(1)
    for split, count in (("train", 8), ("val", 4)):
        for label in LABELS:
            folder = tmp_path / "images" / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(rng.integers(0, 256, (14, 16, 3), np.uint8)).save(folder / f"{number}.png")
    path, int8 = adopted(tmp_path), tmp_path / "int8.onnx"
    gate = ("--samples", "16", "--max-drop", "100", "--min-speedup", "0")
    command = ("quantize", str(path), "--calibration", str(tmp_path / "images"), *gate, "-o", str(int8))
    subprocess.run([sys.executable, "-m", "edgekit", *command], check=True, timeout=600)
    assert read_info(int8).precision == "int8"
    for name in ("logits", "features", "maps"):
        expected = output(path, name, PIXELS)
        assert np.abs(output(int8, name, PIXELS) - expected).max() < 0.1 * np.abs(expected).max()


def test_maps_that_are_not_of_the_logits_are_found(tmp_path):
    wrong = onnx.load(adopted(tmp_path))
    weight = next(tensor for tensor in wrong.graph.initializer if tensor.name == "maps_weight")
    turned = onnx.numpy_helper.to_array(weight)[::-1]
    weight.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(turned), "maps_weight"))
    with pytest.raises(ParityError, match="mean of the class maps differs"):
        require_maps_of_logits(wrong.SerializeToString(), PIXELS)


def pooled_logits() -> onnx.ModelProto:
    """As Network in Network ends: the class maps are pooled and nothing comes after."""
    model = plain_model()
    model.graph.node[-2].output[0] = "output"
    del model.graph.node[-1]
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 8
    return model


def test_a_network_whose_pooled_maps_are_its_logits_has_maps_and_no_features(tmp_path):
    (tmp_path / "plain.onnx").write_bytes(pooled_logits().SerializeToString())
    labels, path = tuple("abcdefgh"), tmp_path / "new.onnx"
    plain = read_third_party(tmp_path / "plain.onnx")
    adopt(plain, path, preprocess=PREPROCESS, labels=labels, interface=Interface(activation_maps=True))
    classifier = Classifier(path)
    np.testing.assert_allclose(output(path, "maps", PIXELS).mean(axis=(2, 3)), classifier.logits(PIXELS), atol=1e-5)
    with pytest.raises(SpecError, match="no features"):
        adopt(plain, path, preprocess=PREPROCESS, labels=labels, interface=Interface(features=True))


def test_one_after_the_other_is_as_both_at_once(tmp_path):
    both, first, second = adopted(tmp_path), tmp_path / "first.onnx", tmp_path / "second.onnx"
    plain = read_third_party(tmp_path / "plain.onnx")
    adopt(plain, first, preprocess=PREPROCESS, labels=LABELS, interface=Interface(features=True))
    change_interface(first, second, interface=Interface(activation_maps=True))
    for name in ("logits", "features", "maps"):
        np.testing.assert_allclose(output(second, name, PIXELS), output(both, name, PIXELS), atol=1e-6)


def test_networks_that_end_otherwise_are_refused_with_what_was_found(tmp_path):
    with pytest.raises(SpecError, match="this one ends in"):
        add_outputs(tiny_model(), features=True, maps=False)
    with pytest.raises(SpecError, match="would replace"):
        change_interface(adopted(tmp_path), tmp_path / "adopted.onnx")
    with pytest.raises(SpecError, match="already"):
        change_interface(adopted(tmp_path), tmp_path / "again.onnx", interface=Interface(features=True))


@pytest.mark.parametrize("batch", [1, 4])
def test_a_fixed_batch_answers_any_number_of_images(batch, tmp_path):
    path = tmp_path / "fixed.onnx"
    source = write_tiny(tmp_path / "tiny.onnx")
    info = change_interface(source, path, interface=Interface(batch=batch))
    shape = onnx.load(path).graph.input[0].type.tensor_type.shape
    assert shape.dim[0].dim_value == batch
    assert info.parity["refit"]["agreement"] == 1
    crops = np.random.default_rng(0).integers(0, 256, (6, 8, 10, 3), np.uint8)
    for count in (0, 1, 4, 6):
        expected = Classifier(source).logits(crops[:count])
        np.testing.assert_allclose(Classifier(path).logits(crops[:count]), expected, atol=1e-5)
