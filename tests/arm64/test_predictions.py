"""Models predict on Arm what they predict here: onnxruntime's and Pillow's own code for arm64, emulated by QEMU."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from made_environments import ROOT, run

from edgekit import Classifier, load_image
from edgekit.dataset import ImageSet, read_images
from edgekit.files import sha256
from edgekit.hub.model_files import model_path
from edgekit.quantize import quantize, target_named
from edgekit.quantize.schemes import scheme_named

_PHOTOS = 10
_RANGES, _JUDGES = range(20), range(20, 40)  # of the photos, to quantize with
_FLOAT_SUMS = 2e-5  # sums of floats in another order
# Prints the sha256 of each image's pixels for the network, and its logits. Not by a Classifier, which would stop a run
# that takes as long as emulated ones.
_PROGRAM = """
import json, platform, sys
from hashlib import sha256
from pathlib import Path
from edgekit import SessionOptions, load_image
from edgekit.artifact.info import parse_info
from edgekit.runtime.session import open_session, run_batches
path, *images = sys.argv[1:]
model = Path(path).read_bytes()
info = parse_info(model, name=path)
session = open_session(model, name=path, options=SessionOptions(threads=1), target=info.target)
preprocess = info.preprocess
pixels = [preprocess.pixels(load_image(image, color=preprocess.color)) for image in images]
print(json.dumps({
    "machine": platform.machine(),
    "pixels": [sha256(image.tobytes()).hexdigest() for image in pixels],
    "logits": [run_batches(session, image)[0].tolist() for image in pixels],
}))
"""

long = pytest.mark.skipif(
    settings.get_current_profile_name() != "long", reason="takes minutes; run: python scripts/check.py --long"
)


@pytest.fixture(scope="module")
def photos(shared) -> ImageSet:
    return read_images(shared / "data/imagenet-photos/images")


@pytest.fixture(scope="module")
def make_int8(photos, tmp_path_factory):
    """A function: a model quantized for a target. The photos only set its ranges; what counts is its arithmetic."""

    def make(model: Path, target: str) -> Path:
        path = tmp_path_factory.mktemp("int8") / f"{target}.onnx"
        quantize(
            model,
            path,
            calibration=photos.subset(_RANGES),
            held_out=photos.subset(_JUDGES),
            schemes=[scheme_named("int8")],
            target=target_named(target),
            allow_worse=True,
        )
        return path

    return make


def largest_difference(board, model: Path, photos: ImageSet) -> float:
    """The largest difference of a logit on the board from here; the pixels must be equal byte for byte."""
    images = photos.sources[:_PHOTOS]
    done = board.run("-c", _PROGRAM, model, *images, cwd=ROOT, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout)
    assert there["machine"] == "aarch64"
    with Classifier(model) as classifier:
        preprocess = classifier.info.preprocess
        pixels = [preprocess.pixels(load_image(image, color=preprocess.color)) for image in images]
        here = np.concatenate([classifier.logits(image) for image in pixels])
    assert there["pixels"] == [sha256(image.tobytes()) for image in pixels]
    assert np.ptp(here, axis=0).max() > 1  # the photos are not all the same to the model
    return float(np.abs(np.array(there["logits"], np.float32) - here).max())


@pytest.mark.slow
def test_float32_model_computes_almost_the_same_on_a_raspberry_pi(pi5, photos):
    assert largest_difference(pi5, model_path("mobilenet_v2-cifar10"), photos) <= _FLOAT_SUMS


@pytest.mark.slow
def test_int8_models_compute_the_same_on_raspberry_pis(pi5, pi4, photos, make_int8):
    for target, boards in {"arm64": (pi5, pi4), "x86-avx2": (pi5, pi4), "x86-vnni": (pi5,)}.items():
        model = make_int8(model_path("mobilenet_v2-cifar10"), target)
        for board in boards:
            assert largest_difference(board, model, photos) == 0, (target, board)


@long
@pytest.mark.slow
def test_mobilenet_of_imagenet_computes_the_same_on_a_raspberry_pi(pi5, photos, make_int8, shared, tmp_path, capsys):
    settings = ("--padding", "tf_same", "--mean", "0.5", "--std", "0.5")
    labels = shared / "data/imagenet-photos/imagenet_classes.txt"
    weights = shared / "weights/mobilenet_v2_imagenet.safetensors"
    model = tmp_path / "imagenet.onnx"
    run(
        sys.executable,
        "-m",
        "edgekit",
        "export",
        "mobilenet_v2",
        "--weights",
        weights,
        *settings,
        "--labels",
        labels,
        "-o",
        model,
        cwd=tmp_path,
    )
    differences = {"float32": largest_difference(pi5, model, photos)}
    for target in ("arm64", "x86-avx2"):
        differences[target] = largest_difference(pi5, make_int8(model, target), photos)
    with capsys.disabled():
        print(f"\nlargest difference of a logit of MobileNetV2 over {_PHOTOS} photos: {differences}")
    assert differences["float32"] <= _FLOAT_SUMS
    assert (differences["arm64"], differences["x86-avx2"]) == (0, 0)
