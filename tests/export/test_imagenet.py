"""The published ImageNet MobileNetV2, exported from its weights and compared with torchvision's network.

The golden logits were computed with torchvision 0.28.0; see the PROVENANCE of the shared data.
"""

import csv
import io
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from PIL import Image

from edgekit import Classifier
from edgekit.image.load import load_image
from edgekit.runtime.prediction import Prediction

pytestmark = pytest.mark.slow

Golden: TypeAlias = tuple[list[Path], np.ndarray]  # images, and their logits by torchvision


@pytest.fixture(scope="module")
def artifact(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that the documented command writes."""
    path = tmp_path_factory.mktemp("imagenet") / "imagenet.onnx"
    options = ["--padding", "tf_same", "--mean", "0.5", "--std", "0.5", "-o", str(path)]
    weights = ["--weights", str(shared / "weights/mobilenet_v2_imagenet.safetensors")]
    labels = ["--labels", str(shared / "data/imagenet-photos/imagenet_classes.txt")]
    command = [sys.executable, "-m", "edgekit", "export", "mobilenet_v2", *weights, *labels, *options]
    subprocess.run(command, check=True, timeout=600)
    return path


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    saved = np.load(shared / "golden/mobilenet_v2_imagenet_logits.npz")
    return [shared / "data/imagenet-photos" / str(name) for name in saved["files"]], saved["logits"]


@pytest.fixture(scope="module")
def predictions(artifact: Path, golden: Golden) -> list[Prediction]:
    classifier = Classifier(artifact)
    return [classifier.predict(path) for path in golden[0]]


def test_classifier_logits_agree_with_torchvision(artifact: Path, golden: Golden) -> None:
    classifier = Classifier(artifact)
    differences = [
        np.abs(classifier.logits(classifier.info.preprocess.pixels(load_image(path)))[0] - expected).max()
        for path, expected in zip(*golden, strict=True)
    ]
    assert len(differences) == 500
    assert max(differences) <= 1e-3


def test_classifier_agrees_with_exact_decoding(artifact: Path, predictions: list[Prediction], golden: Golden) -> None:
    exact = Classifier(artifact, exact=True)
    exact_labels = [exact.predict(path).label for path in golden[0]]
    same = [label == prediction.label for label, prediction in zip(exact_labels, predictions, strict=True)]
    assert np.mean(same) >= 0.995


def test_classifier_agrees_with_exact_decoding_for_large_photos(artifact: Path, golden: Golden) -> None:
    """Every tenth photo, enlarged six times, so that it is decoded at a quarter of its size."""
    fast, exact = Classifier(artifact), Classifier(artifact, exact=True)
    for path in golden[0][::10]:
        image, file = load_image(path).pixels, io.BytesIO()
        image.resize((image.width * 6, image.height * 6), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        prediction, expected = (classifier.predict(file.getvalue()) for classifier in (fast, exact))
        assert prediction.label == expected.label or expected.top[0].probability - expected.top[1].probability < 0.05


def test_classifier_labels_agree_with_torchvision(predictions: list[Prediction], golden: Golden) -> None:
    indexes = [prediction.top[0].index for prediction in predictions]
    assert sum(index == logits.argmax() for index, logits in zip(indexes, golden[1], strict=True)) >= 498


def test_classifier_accuracy_on_the_photos(shared: Path, predictions: list[Prediction]) -> None:
    with (shared / "data/imagenet-photos/labels.csv").open() as file:
        truth = [int(row["class_index"]) for row in csv.DictReader(file)]
    correct = sum(prediction.top[0].index == index for prediction, index in zip(predictions, truth, strict=True))
    assert correct / len(truth) == pytest.approx(0.892, abs=0.004)


def test_export_leaves_no_paths_in_the_file(artifact: Path) -> None:
    data = artifact.read_bytes()
    assert str(Path.cwd()).encode() not in data
    assert str(artifact.parent).encode() not in data
    assert b".py" not in data
