"""Configurations of timm."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_json import JSON

from edgekit import Preprocess, Size
from edgekit.errors import ArtifactError, EdgekitError
from edgekit.export.configs import timm
from edgekit.hub.registry import imagenet_labels


def preprocess_of(pretrained_cfg: dict) -> Preprocess:
    return Preprocess.from_dict(dict(timm.read(pretrained_cfg).preprocess))


@pytest.mark.parametrize(
    ("pretrained_cfg", "expected"),
    [
        ({}, Preprocess(interpolation="bicubic")),
        ({"crop_pct": 0.95, "interpolation": "bilinear"}, Preprocess(resize=235)),
        (
            {"crop_pct": 1.0, "crop_mode": "squash", "mean": [0.5] * 3, "std": [0.5] * 3},
            Preprocess(fit="squash", resize=224, interpolation="bicubic", mean=0.5, std=0.5),
        ),
        (
            {"crop_pct": 0.9, "crop_mode": "squash", "input_size": [3, 240, 200]},
            Preprocess(fit="squash", resize=Size(266, 222), crop=Size(240, 200), interpolation="bicubic"),
        ),
        (
            {"crop_pct": 0.9, "crop_mode": "border"},
            Preprocess(fit="letterbox", resize=248, fill=(124, 116, 104), interpolation="bicubic"),
        ),
        (
            {"crop_pct": 0.9, "input_size": (3, 224, 192)},
            Preprocess(fit="cover", resize=Size(248, 213), crop=Size(224, 192), interpolation="bicubic"),
        ),
        (
            {"input_size": [3, 224, 224], "test_input_size": [3, 288, 288], "crop_pct": 0.95, "test_crop_pct": 1.0},
            Preprocess(resize=235, interpolation="bicubic"),
        ),
        ({"input_size": [1, 28, 28], "crop_pct": 1, "mean": [0.1], "std": [0.3]}, "gray"),
    ],
)
def test_read_computes_sizes_as_timm_does(pretrained_cfg, expected):
    if expected == "gray":
        expected = Preprocess(color="L", resize=28, crop=28, interpolation="bicubic", mean=0.1, std=0.3)
    assert preprocess_of(pretrained_cfg) == expected


def test_read_config_accepts_nested_and_flat_files():
    nested = {
        "architecture": "resnet18",
        "num_classes": 2,
        "label_names": ["n1", "n2"],
        "label_descriptions": {"n1": "tench", "n2": "goldfish"},
        "pretrained_cfg": {"crop_pct": 0.95, "license": "apache-2.0"},
    }
    found = timm.read_config(nested)
    assert (found.labels, found.license, found.model) == (("tench", "goldfish"), "apache-2.0", "resnet18")
    assert (found.preprocess["resize"], found.sources["resize"]) == (235, "config.json")
    flat = {"architecture": "resnet18", "num_classes": 2, "label_names": ["a", "b"], "crop_pct": 0.95}
    assert timm.read_config(flat).preprocess == found.preprocess
    assert timm.read_config(flat).labels == ("a", "b")


def test_read_config_takes_imagenets_labels_only_if_the_tag_names_it():
    config = {"architecture": "resnet50", "num_classes": 1000, "pretrained_cfg": {"tag": "a1_in1k"}}
    found = timm.read_config(config)
    assert found.labels == imagenet_labels()
    assert found.sources["labels"] == "ImageNet's, as the tag in config.json states"
    assert timm.read_config({**config, "pretrained_cfg": {"tag": "mine"}}).labels is None
    assert timm.read_config({**config, "num_classes": 10}).labels is None
    named = timm.read({"tag": "augreg_in21k_ft_in1k_384", "num_classes": 1000})
    assert named.labels == imagenet_labels()


@pytest.mark.parametrize(
    ("pretrained_cfg", "message"),
    [
        ({"interpolation": "random"}, "unknown interpolation 'random'"),
        ({"crop_mode": "corner"}, "unknown crop_mode 'corner'"),
        ({"input_size": [4, 224, 224]}, "input_size must be .* with 1 or 3 channels"),
        ({"input_size": 224}, "input_size must be 3 integers"),
        ({"crop_pct": -1}, "crop_pct must be a number from 1/4096"),
        ({"crop_pct": 5e-324}, "crop_pct must be a number from 1/4096"),
        ({"crop_pct": 1.12}, "the crop is larger than the resized image"),
        ({"crop_border_pixels": 8}, "trims the image"),
        ({"license": 3}, "license must be a text"),
        ({"label_names": ["a", 7]}, "class 1 must have a name"),
    ],
)
def test_read_refuses_what_timm_does_not_know(pretrained_cfg, message):
    with pytest.raises(EdgekitError, match=message):
        timm.read(pretrained_cfg)


def test_read_refuses_descriptions_that_are_no_texts():
    with pytest.raises(ArtifactError, match="label_descriptions must be texts by name"):
        timm.read({}, label_names=["a", "b"], label_descriptions={"a": 5})


KEYS = ["input_size", "crop_pct", "crop_mode", "interpolation", "mean", "std", "label_names", "num_classes", "tag"]


@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.dictionaries(st.sampled_from(["label_descriptions"]), JSON))
def test_read_config_accepts_or_refuses_any_json(pretrained_cfg, more):
    config = {"architecture": "x", "num_classes": 2, "pretrained_cfg": pretrained_cfg, **more}
    with suppress(EdgekitError):  # any other exception fails
        assert Preprocess.from_dict(dict(timm.read_config(config).preprocess)).crop.height >= 1
