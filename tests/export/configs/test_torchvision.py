"""Weight enums of torchvision, compared with their own transforms."""

import sys

import numpy as np
import pytest
from PIL import Image

from edgekit import Preprocess
from edgekit.errors import EdgekitError, SpecError
from edgekit.export.configs import torchvision

WEIGHTS = [
    "ResNet50_Weights.IMAGENET1K_V1",
    "ResNet50_Weights.IMAGENET1K_V2",
    "EfficientNet_B0_Weights.IMAGENET1K_V1",
    "ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1",
    "Inception_V3_Weights.IMAGENET1K_V1",
]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_read_reproduces_the_transforms_of_weights(torchvision_models, weights):
    found = torchvision.read(weights)
    preprocess = Preprocess.from_dict(dict(found.preprocess))
    image = Image.fromarray(np.random.default_rng(5).integers(0, 256, (301, 417, 3), dtype=np.uint8))
    ours = (preprocess.pixels(image)[0] / 255 - preprocess.mean) / preprocess.std
    theirs = torchvision_models.get_weight(weights).transforms()(image).numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert (len(found.labels), found.labels[0]) == (1000, "tench")
    assert found.sources["labels"] == found.sources["mean"] == f"preset torchvision {weights}"


@pytest.mark.parametrize("weights", ["ResNet50_Weights.NONE", "None_Weights.A", "resnet50", "", "a.b.c"])
def test_read_names_the_form_if_there_are_no_such_weights(torchvision_models, weights):
    with pytest.raises(SpecError, match=r"torchvision has no weights .*; write ENUM\.MEMBER, e\.g\. ResNet50"):
        torchvision.read(weights)


def test_read_refuses_weights_of_other_tasks(torchvision_models):
    with pytest.raises(SpecError, match="not the weights of an image classifier: made for SemanticSegmentation"):
        torchvision.read("FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1")


def test_read_reports_a_torchvision_that_is_absent_or_broken(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(EdgekitError, match="torchvision is not installed; run: pip install torchvision"):
        torchvision.read("ResNet50_Weights.IMAGENET1K_V2")

    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(torchvision.importlib, "import_module", broken)
    with pytest.raises(EdgekitError, match=r"cannot be imported: RuntimeError.*nms does not exist"):
        torchvision.read("ResNet50_Weights.IMAGENET1K_V2")
