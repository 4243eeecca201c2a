"""complete_config: what modules and processors of other libraries state, and what the caller must add."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from made_modules import Processor, body, like_timm, like_transformers

from edgekit import Preprocess
from edgekit.errors import ArtifactError, SpecError
from edgekit.export.module_config import complete_config, config_notes, module_config, preprocess_config

NAMES = ["cat", "dog", "cow"]


class ImageClassification:
    """Like the transforms of a weight enum of torchvision."""

    crop_size, resize_size = [20], [24]
    mean, std = [0.4, 0.4, 0.4], [0.2, 0.2, 0.2]
    interpolation = SimpleNamespace(value="bicubic")


ImageClassification.__module__ = "torchvision.transforms._presets"


def test_complete_config_takes_everything_from_a_module_of_timm():
    config = complete_config(like_timm(label_names=NAMES, mean=(0.5,) * 3), preprocess=None, labels=None)
    preprocess = Preprocess.from_dict(dict(config.preprocess))
    assert (preprocess.fit, preprocess.crop, preprocess.mean) == ("squash", (20, 24), (0.5,) * 3)
    assert (config.labels, config.model) == (("cat", "dog", "cow"), "tiny_net")
    assert set(config.sources.values()) == {"the module's pretrained_cfg"}


def test_complete_config_ignores_the_classes_of_the_pretrained_weights_if_the_module_has_others():
    module = like_timm(num_classes=2, label_names=["left", "right"])
    with pytest.raises(SpecError, match=r"^the module \(Sequential\) does not state its labels; pass `labels` \(the"):
        complete_config(module, preprocess=None, labels=None)
    imagenet = like_timm(scores=1000, num_classes=1000, tag="in1k")
    assert complete_config(imagenet, preprocess=None, labels=None).labels[1] == "goldfish"
    imagenet.num_classes = 5
    assert module_config(imagenet).labels is None


def test_complete_config_joins_a_module_of_transformers_with_its_processor():
    module = like_transformers(problem_type="multi_label_classification")
    config = complete_config(module, preprocess=Processor(), labels=None)
    assert Preprocess.from_dict(dict(config.preprocess)).mean == (0.5, 0.4, 0.3)
    assert (config.labels, config.task) == (("class 0", "class 1", "class 2"), "multi-label")
    assert config.model == "TinyForImageClassification"
    assert {config.sources[name] for name in ("mean", "crop")} == {"`preprocess` (ViTImageProcessor)"}
    assert {config.sources[name] for name in ("labels", "task")} == {"the module's config"}
    same = complete_config(module, preprocess=Processor().to_dict(), labels=None)
    assert same == config


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (ImageClassification(), Preprocess(resize=24, crop=20, interpolation="bicubic", mean=0.4, std=0.2)),
        (
            {"input_size": (3, 20, 20), "crop_pct": 0.8, "interpolation": "nearest", "mean": (0.5,), "std": (0.5,)},
            Preprocess(resize=25, crop=20, interpolation="nearest", mean=0.5, std=0.5),
        ),
        (Preprocess(color="L", resize=28, crop=28, mean=0.5, std=0.5),) * 2,
    ],
    ids=["torchvision", "timm", "edgekit"],
)
def test_preprocess_config_reads_the_objects_of_each_library(source, expected):
    assert Preprocess.from_dict(dict(preprocess_config(source).preprocess)) == expected


@pytest.mark.parametrize("source", ["imagenet", 3, {"resize": 256}, Processor, object()])
def test_preprocess_config_raises_for_anything_else(source):
    with pytest.raises(SpecError, match="`preprocess` must be a Preprocess, an image processor of transformers, "):
        preprocess_config(source)


def test_preprocess_config_takes_the_labels_of_a_torchvision_weight_enum(torchvision_models):
    config = preprocess_config(torchvision_models.ResNet18_Weights.IMAGENET1K_V1)
    assert (len(config.labels), config.labels[0], config.preprocess["resize"]) == (1000, "tench", 256)


def test_complete_config_prefers_what_the_caller_says():
    preprocess = Preprocess(resize=20, crop=20)
    unusable = like_timm(label_names=NAMES, crop_mode="unknown")
    config = complete_config(unusable, preprocess=preprocess, labels=["a", "b", "c"])
    assert Preprocess.from_dict(dict(config.preprocess)) == preprocess
    assert (config.labels, config.sources) == (("a", "b", "c"), {"model": "the module's pretrained_cfg"})
    with pytest.raises(ArtifactError, match="the module's pretrained_cfg: unknown crop_mode"):
        complete_config(unusable, preprocess=None, labels=["a", "b", "c"])


def test_complete_config_raises_for_a_module_that_states_nothing():
    with pytest.raises(SpecError) as caught:
        complete_config(body(3), preprocess=None, labels=None)
    message = str(caught.value)
    assert message.startswith("the module (Sequential) does not state its preprocess and labels; pass `preprocess` (a ")
    assert message.endswith("and `labels` (the class names in the order of the scores)")
    with pytest.raises(SpecError, match="`labels` must be a list of class names"):
        complete_config(body(3), preprocess=Preprocess(), labels="cat")


def test_config_notes_name_a_license_and_labels_that_may_be_wrong():
    licensed, named = like_timm(license="cc-by-nc-4.0"), {"preprocess": Preprocess(), "labels": NAMES}
    config = complete_config(licensed, **named)
    assert config.license is None
    (note,) = config_notes(licensed, config)
    assert note == "'cc-by-nc-4.0' is the license of the module's pretrained weights; set `license` if it has them"
    unnamed = like_transformers(id2label={0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"})
    (note,) = config_notes(unnamed, complete_config(unnamed, preprocess=Processor(), labels=None))
    assert "LABEL_0, ...; set `labels`" in note
    assert config_notes(body(3), complete_config(body(3), **named)) == ()


def test_module_config_imports_no_other_library():
    program = (
        "import sys; from made_modules import *; from edgekit.export.module_config import *;"
        "complete_config(like_timm(label_names=['a', 'b', 'c']), preprocess=None, labels=None);"
        "complete_config(like_transformers(), preprocess=Processor(), labels=None);"
        "sys.exit(bool({'timm', 'transformers', 'torchvision'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
