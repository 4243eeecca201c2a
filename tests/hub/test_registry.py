"""The models that can be built: their templates, labels and weights."""

import importlib.util

import pytest

from edgekit.errors import ArtifactError
from edgekit.hub.built_in import models_folder
from edgekit.hub.fill_template import template_facts
from edgekit.hub.imagenet_weights import PACKAGED
from edgekit.hub.registry import imagenet_labels, model_named, named_models

NAMED = named_models()


def test_imagenet_labels_are_those_of_torchvision(torchvision_models):
    meta = importlib.import_module("torchvision.models._meta")
    assert list(imagenet_labels()) == meta._IMAGENET_CATEGORIES
    assert len(set(imagenet_labels())) == 1000


def test_imagenet_labels_are_in_the_order_of_the_classes(shared):
    """The names of the shared file are lists of synonyms; two of the first ones occur twice."""
    names = (shared / "data/imagenet-photos/imagenet_classes.txt").read_text().splitlines()
    differing = {
        index: label
        for index, (label, name) in enumerate(zip(imagenet_labels(), names, strict=True))
        if label != name.partition(",")[0]
    }
    assert differing == {134: "crane bird", 639: "maillot tank suit"}


@pytest.mark.parametrize("name", NAMED)
def test_named_models_agree_with_their_weights(name):
    model = NAMED[name]
    facts, info = template_facts(model.template), model.info()
    assert facts["network"] == model.weights.model
    assert name == f"{facts['network']}-imagenet{'-int8' if facts['precision'] == 'int8' else ''}"
    assert info.preprocess == model.weights.preprocess
    assert info.arguments.get("padding", "symmetric") == model.weights.padding
    assert (info.license, len(info.labels)) == (model.weights.license, 1000)
    if facts["precision"] == "int8":
        assert facts["weights_sha256"].startswith(model.weights.sha256)
        assert info.target == "x86-avx2"


def test_named_models_include_those_of_the_packages():
    assert {f"{network}-imagenet{suffix}" for network in PACKAGED for suffix in ("", "-int8")} <= set(NAMED)


def test_every_template_belongs_to_a_named_model():
    from pathlib import Path

    assert {path.stem for path in Path(models_folder(), "templates").glob("*.template")} == set(NAMED)


def test_info_of_other_weights_states_no_license_and_no_accuracy():
    model = NAMED["efficientnet_lite0-imagenet"]
    info = model.info(weights_sha256="0" * 64)
    assert (info.license, info.metrics, info.weights_sha256) == ("unknown", None, "0" * 64)


def test_model_named_suggests_similar_names():
    with pytest.raises(ArtifactError, match="did you mean efficientnet_lite0-imagenet"):
        model_named("efficientnet-lite0-imagenet")
