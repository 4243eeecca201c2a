"""add_outputs: features and class activation maps, compared with numpy, and kept by later steps."""

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
from edgekit.export.finalize import Interface, change_interface, require_maps_average_to_logits
from edgekit.export.third_party import read_third_party
from edgekit.graph.index import Graph
from edgekit.graph.passes.add_outputs import add_outputs
from edgekit.runtime.session import open_session, run_batches

PREPROCESS = Preprocess(resize=14, crop=SIZE, mean=0.5, std=0.25)
PIXELS = np.random.default_rng(0).integers(0, 256, (5, *SIZE, 3), np.uint8)

pytestmark = pytest.mark.usefixtures("unsimplified")


def adopted(folder: Path, *, with_outputs: bool = True) -> Path:
    (folder / "third-party.onnx").write_bytes(plain_model().SerializeToString())
    path = folder / "adopted.onnx"
    third_party = read_third_party(folder / "third-party.onnx")
    interface = Interface(features=with_outputs, activation_maps=with_outputs)
    adopt(third_party, path, preprocess=PREPROCESS, labels=LABELS, interface=interface)
    return path


def output(path: Path, name: str, pixels: np.ndarray) -> np.ndarray:
    return run_batches(open_session(path.read_bytes(), name="test"), pixels, output=name)


def test_add_outputs_features_and_maps_determine_the_logits(tmp_path):
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


def test_add_outputs_does_not_change_the_logits(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    with_outputs, without = Classifier(adopted(first)), Classifier(adopted(second, with_outputs=False))
    np.testing.assert_array_equal(with_outputs.logits(PIXELS), without.logits(PIXELS))


def test_added_outputs_are_kept_by_quantization(tmp_path):
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


def test_require_maps_average_to_logits_raises_for_wrong_maps(tmp_path):
    wrong = onnx.load(adopted(tmp_path))
    weight = next(tensor for tensor in wrong.graph.initializer if tensor.name == "maps_weight")
    reversed_classes = onnx.numpy_helper.to_array(weight)[::-1]
    weight.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(reversed_classes), "maps_weight"))
    with pytest.raises(ParityError, match="mean of the activation maps differs"):
        require_maps_average_to_logits(wrong.SerializeToString(), PIXELS)


def pooled_logits() -> onnx.ModelProto:
    """A classifier that ends like Network in Network: the pooled class maps are its logits."""
    model = plain_model()
    model.graph.node[-2].output[0] = "output"
    del model.graph.node[-1]
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 8
    return model


def test_add_outputs_to_pooled_logits_adds_maps_but_no_features(tmp_path):
    (tmp_path / "third-party.onnx").write_bytes(pooled_logits().SerializeToString())
    labels, path = tuple("abcdefgh"), tmp_path / "new.onnx"
    third_party = read_third_party(tmp_path / "third-party.onnx")
    adopt(third_party, path, preprocess=PREPROCESS, labels=labels, interface=Interface(activation_maps=True))
    classifier = Classifier(path)
    np.testing.assert_allclose(output(path, "maps", PIXELS).mean(axis=(2, 3)), classifier.logits(PIXELS), atol=1e-5)
    with pytest.raises(SpecError, match="has no features"):
        adopt(third_party, path, preprocess=PREPROCESS, labels=labels, interface=Interface(features=True))


def test_add_outputs_one_by_one_equals_both_at_once(tmp_path):
    both, first, second = adopted(tmp_path), tmp_path / "first.onnx", tmp_path / "second.onnx"
    third_party = read_third_party(tmp_path / "third-party.onnx")
    adopt(third_party, first, preprocess=PREPROCESS, labels=LABELS, interface=Interface(features=True))
    change_interface(first, second, interface=Interface(activation_maps=True))
    for name in ("logits", "features", "maps"):
        np.testing.assert_allclose(output(second, name, PIXELS), output(both, name, PIXELS), atol=1e-6)


def test_add_outputs_raises_for_networks_that_end_differently():
    with pytest.raises(SpecError, match="this one ends in"):
        add_outputs(tiny_model(), features=True, maps=False)


def test_change_interface_raises_for_existing_outputs_and_its_own_source(tmp_path):
    with pytest.raises(SpecError, match="would replace"):
        change_interface(adopted(tmp_path), tmp_path / "adopted.onnx")
    with pytest.raises(SpecError, match="already has an output 'features'"):
        change_interface(adopted(tmp_path), tmp_path / "again.onnx", interface=Interface(features=True))


@pytest.mark.parametrize("batch", [1, 4])
def test_change_interface_to_a_fixed_batch_predicts_any_number_of_images(batch, tmp_path):
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
