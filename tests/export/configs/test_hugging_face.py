"""Configurations of transformers: files as the Hub has them, and everything that a hostile file may contain."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_json import JSON

from edgekit import Preprocess, Size
from edgekit.errors import ArtifactError, EdgekitError
from edgekit.export.configs import hugging_face
from edgekit.export.configs.hugging_face_processors import BY_MODEL_TYPE, PROCESSORS, REFUSED

HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def preprocess_of(processor: dict, config: dict | None = None) -> Preprocess:
    return Preprocess.from_dict(dict(hugging_face.read(config or {}, processor).preprocess))


# As transformers 4 and 5 and the feature extractors before them wrote them. That the pixels equal those of each
# processor was measured on photos with the library itself; these are the values that reproduced them.
FILES = [
    (
        {"model_type": "vit"},  # google/vit-base-patch16-224: names no processor
        {"do_normalize": True, "do_resize": True, **HALF, "size": 224},
        Preprocess(fit="squash", resize=224, mean=0.5, std=0.5),
    ),
    (
        {"model_type": "resnet"},
        {"feature_extractor_type": "ConvNextFeatureExtractor", "crop_pct": 0.875, "resample": 3, "size": 224}
        | {"image_mean": IMAGENET_MEAN, "image_std": IMAGENET_STD},
        Preprocess(resize=256, offset="floor", interpolation="bicubic"),
    ),
    (
        {},
        {"image_processor_type": "ConvNextImageProcessorFast", "size": {"shortest_edge": 384}, "crop_pct": None},
        Preprocess(fit="squash", resize=384, crop=Size(384, 384), interpolation="bicubic", mean=0.5, std=0.5),
    ),
    (
        {},
        {"image_processor_type": "MobileNetV2ImageProcessor", "size": {"shortest_edge": 256}, "resample": 2}
        | {"crop_size": {"height": 224, "width": 192}, "do_center_crop": True, **HALF},
        Preprocess(crop=Size(224, 192), offset="floor", mean=0.5, std=0.5),
    ),
    (
        {},
        {"feature_extractor_type": "MobileViTFeatureExtractor", "size": 288, "crop_size": 256, "resample": 2}
        | {"do_flip_channel_order": True, **HALF},  # its statistics are written, but not used
        Preprocess(resize=288, crop=Size(256, 256), offset="floor", mean=0.0, std=1.0),
    ),
    (
        {},
        {"image_processor_type": "MobileViTImageProcessor"},
        Preprocess(resize=224, pad=16, crop=Size(256, 256), offset="floor", interpolation="bicubic", mean=0.0, std=1.0),
    ),
    (
        {},
        {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 224}, "crop_pct": 1.13},
        Preprocess(resize=198, pad=13, offset="floor", interpolation="bicubic", mean=0.5, std=0.5),
    ),
    (
        {},
        {"image_processor_type": "DeiTImageProcessor", "size": 256, "crop_size": 224},
        Preprocess(fit="squash", resize=256, offset="floor", interpolation="bicubic", mean=0.5, std=0.5),
    ),
    (
        {},
        {"feature_extractor_type": "LevitFeatureExtractor", "size": 224},
        Preprocess(resize=256, offset="floor", interpolation="bicubic"),
    ),
    (
        {},
        {"image_processor_type": "PoolFormerImageProcessor", "crop_pct": 0.95},
        Preprocess(resize=235, offset="floor", interpolation="bicubic"),
    ),
    (
        {},
        {"image_processor_type": "PoolFormerImageProcessor", "size": {"height": 180, "width": 200}, "crop_size": 160},
        Preprocess(fit="squash", resize=Size(200, 222), crop=Size(160, 160), offset="floor", interpolation="bicubic"),
    ),
    (
        {},
        {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 256}, "image_mean": IMAGENET_MEAN}
        | {"image_std": IMAGENET_STD},
        Preprocess(offset="floor", interpolation="bicubic"),
    ),
    (
        {},
        {"image_processor_type": "SiglipImageProcessor", "size": [224, 192]},
        Preprocess(
            fit="squash", resize=Size(224, 192), crop=Size(224, 192), interpolation="bicubic", mean=0.5, std=0.5
        ),
    ),
]


@pytest.mark.parametrize(("config", "processor", "expected"), FILES)
def test_read_expresses_a_processor_as_preprocess(config, processor, expected):
    assert preprocess_of(processor, config) == expected


def test_read_folds_factor_offset_and_a_second_division_into_mean_and_std():
    efficientnet = {
        "image_processor_type": "EfficientNetImageProcessor",
        "rescale_factor": 1 / 127.5,
        "rescale_offset": True,
        "include_top": True,
        "image_mean": [0.1, 0.2, 0.3],
        "image_std": [0.4, 0.5, 0.8],
    }
    preprocess = preprocess_of(efficientnet)
    for value in (0, 100, 255):
        ours = [(value / 255 - mean) / std for mean, std in zip(preprocess.mean, preprocess.std, strict=True)]
        theirs = [((value / 127.5 - 1) - m) / s / s for m, s in zip((0.1, 0.2, 0.3), (0.4, 0.5, 0.8), strict=True)]
        assert ours == pytest.approx(theirs)
    unscaled = preprocess_of({"image_processor_type": "ViTImageProcessor", "do_rescale": False, **HALF})
    assert (unscaled.mean[0], unscaled.std[0]) == pytest.approx((0.5 / 255, 0.5 / 255))
    unnormalized = preprocess_of({"image_processor_type": "ViTImageProcessor", "do_normalize": False})
    assert (unnormalized.mean, unnormalized.std) == ((0.0,) * 3, (1.0,) * 3)


def test_read_takes_bgr_labels_task_and_names_their_sources():
    config = {
        "architectures": ["MobileViTForImageClassification"],
        "id2label": {"10": "k", **{str(index): "abcdefghij"[index] for index in range(10)}},
        "problem_type": "multi_label_classification",
    }
    found = hugging_face.read(config, {"image_processor_type": "MobileViTImageProcessor", "size": 288})
    assert found.labels == tuple("abcdefghijk"), "by index, not by order or as text"
    assert (found.bgr, found.task, found.model) == (True, "multi-label", "MobileViTForImageClassification")
    assert found.sources["resize"] == "preprocessor_config.json (MobileViTImageProcessor)"
    assert found.sources["crop"] == "default of MobileViTImageProcessor"
    assert (found.sources["labels"], found.sources["task"]) == ("config.json", "config.json")


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        ({"id2label": {"1": "b", "0": "a"}}, ("a", "b")),
        ({"num_labels": 3}, ("LABEL_0", "LABEL_1", "LABEL_2")),
        ({"architectures": ["ViTForImageClassification"]}, ("LABEL_0", "LABEL_1")),
        ({"architectures": ["ViTModel"]}, None),
        ({}, None),
    ],
)
def test_read_takes_labels_by_index_or_those_that_transformers_makes_up(config, labels):
    found = hugging_face.read(config)
    assert found.labels == labels
    assert found.preprocess == {}
    assert labels is None or hugging_face.are_generic(labels) == ("id2label" not in config)


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_read_refuses_a_processor_that_cannot_be_reproduced_by_name(kind):
    with pytest.raises(ArtifactError, match=f"preprocessor_config.json: cannot be reproduced: {kind}: "):
        hugging_face.read({}, {"image_processor_type": kind})


VIT = {"image_processor_type": "ViTImageProcessor"}


@pytest.mark.parametrize(
    ("config", "processor", "message"),
    [
        ({}, {"image_processor_type": "OursImageProcessor", "auto_map": {}}, "unknown image processor 'OursImage"),
        (
            {"model_type": "ours"},
            {"size": 224},
            r"names no image processor, .*model_type of config\.json \(got 'ours'\)",
        ),
        ({}, {**VIT, "do_resize": False}, "do_resize is false"),
        ({}, {**VIT, "do_pad": True}, "do_pad is true"),
        ({}, {**VIT, "size": {"shortest_edge": 224}}, "do_center_crop is false"),
        ({}, {**VIT, "size": {"shortest_edge": 224, "longest_edge": 300}}, "limits the longest edge"),
        ({}, {**VIT, "size": {"longest_edge": 300}}, "size must be a number of pixels, or an object with height"),
        ({}, {**VIT, "size": {"height": 224, "width": "224"}}, "size: width must be an integer from 1 to 4096"),
        ({}, {**VIT, "size": 0}, "size must be an integer from 1 to 4096"),
        ({}, {**VIT, "resample": 9}, "resample must be the number of a Pillow filter, 0 to 5"),
        ({}, {**VIT, "resample": "bicubic"}, "resample must be the number of a Pillow filter"),
        ({}, {**VIT, "image_std": [0, 1, 1]}, "image_std must be above 0"),
        ({}, {**VIT, "image_mean": "0.5"}, "image_mean must be a number"),
        ({}, {**VIT, "do_normalize": "yes"}, "do_normalize must be true or false"),
        ({}, {"image_processor_type": ["ViT"]}, "image_processor_type must be a text"),
        ({}, {"image_processor_type": "ConvNextImageProcessor", "size": {"height": 9, "width": 9}}, "shortest_edge"),
        ({}, {"image_processor_type": "MobileViTImageProcessor", "size": 225}, "leaves half a pixel"),
        ({"problem_type": "regression"}, None, "trained for regression"),
        ({"problem_type": "other"}, None, "unknown problem_type 'other'"),
        ({"architectures": "ViT"}, None, "architectures must be a list of names"),
        ({"id2label": ["a"]}, None, "id2label must be an object"),
        ({"id2label": {"0": "a", "2": "b"}}, None, "indices of 2 classes must be 0 to 1"),
    ],
)
def test_read_refuses_what_it_cannot_use_in_one_line(config, processor, message):
    with pytest.raises(EdgekitError, match=message) as caught:
        hugging_face.read(config, processor)
    assert "\n" not in str(caught.value)


def test_processors_of_model_types_are_known():
    assert set(BY_MODEL_TYPE.values()) <= PROCESSORS.keys() | REFUSED.keys()
    for kind in PROCESSORS:
        preprocess_of({"image_processor_type": kind})  # its defaults are possible


PROCESSOR_KEYS = ["size", "crop_size", "crop_pct", "do_resize", "do_center_crop", "do_rescale", "rescale_factor"]
PROCESSOR_KEYS += ["rescale_offset", "do_normalize", "image_mean", "image_std", "resample", "include_top", "do_pad"]


@given(
    st.sampled_from(sorted(PROCESSORS)),
    st.dictionaries(st.sampled_from(PROCESSOR_KEYS), JSON),
    st.dictionaries(st.sampled_from(["id2label", "architectures", "model_type", "problem_type", "num_labels"]), JSON),
)
def test_read_accepts_or_refuses_any_json(kind, processor, config):
    with suppress(EdgekitError):  # any other exception fails
        found = hugging_face.read(config, {**processor, "image_processor_type": kind})
        assert Preprocess.from_dict(dict(found.preprocess)).crop.height >= 1
