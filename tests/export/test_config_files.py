"""Finding a third-party model in a folder, and the configuration beside and inside it."""

import json
from pathlib import Path

import pytest
from made_plain import LABELS, plain_model

from edgekit.errors import ArtifactError, DataError, EdgekitError, SpecError
from edgekit.export.config_files import find_config, find_model
from edgekit.export.third_party_config import ThirdPartyConfig

VIT = {"model_type": "vit", "id2label": {"0": "cat", "1": "dog"}}
PROCESSOR = {"size": {"height": 12, "width": 14}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
TIMM = {"architecture": "tiny", "num_classes": 2, "label_names": ["a", "b"], "pretrained_cfg": {"crop_pct": 1.0}}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The working folder, with plain.onnx."""
    monkeypatch.chdir(tmp_path)
    Path("plain.onnx").write_bytes(plain_model().SerializeToString())
    return tmp_path


def write(name: str, document: object) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(document if isinstance(document, str) else json.dumps(document))


def test_find_model_takes_a_file_or_the_only_one_of_a_folder(folder):
    assert find_model("plain.onnx") == Path("plain.onnx")
    assert find_model(folder) == folder / "plain.onnx"
    (folder / "onnx").mkdir()
    (folder / "plain.onnx").rename(folder / "onnx/model.onnx")
    write("._model.onnx", "what another system left here")
    assert find_model(folder) == folder / "onnx/model.onnx"


def test_find_model_lists_the_files_if_there_are_several(folder):
    (folder / "onnx").mkdir()
    for name in ("model.onnx", "model_quantized.onnx"):
        (folder / "onnx" / name).write_bytes(Path("plain.onnx").read_bytes())
    with pytest.raises(ArtifactError, match=r"3 \.onnx files: onnx/model.onnx, onnx/model_q.*, plain.onnx; name one"):
        find_model(folder)
    write("empty/model.safetensors", "")
    with pytest.raises(ArtifactError, match=r"empty: contains no \.onnx file, but model.safetensors; export"):
        find_model("empty")


def test_find_model_ignores_edgekit_models(folder, tiny_artifact):
    (folder / "adopted.onnx").write_bytes(Path(tiny_artifact).read_bytes())
    assert find_model(folder) == folder / "plain.onnx"


def test_find_config_reads_the_files_of_transformers_beside_the_model(folder):
    assert find_config("plain.onnx") == ThirdPartyConfig()
    write("config.json", VIT)
    assert find_config("plain.onnx").labels == ("cat", "dog")
    assert find_config("plain.onnx").preprocess == {}
    write("preprocessor_config.json", PROCESSOR)
    found = find_config("plain.onnx")
    assert found.preprocess["crop"] == (12, 14)
    assert found.source_lines()[0] == "resize, fit, crop, mean, std: preprocessor_config.json (ViTImageProcessor)"


def test_find_config_reads_the_parent_of_a_folder_named_onnx(folder, monkeypatch):
    write("config.json", VIT)
    write("preprocessor_config.json", PROCESSOR)
    write("onnx/labels.txt", "katze\nhund\n")
    (folder / "plain.onnx").rename(folder / "onnx/model.onnx")
    found = find_config("onnx/model.onnx")
    assert (found.labels, found.preprocess["crop"]) == (("katze", "hund"), (12, 14))
    monkeypatch.chdir(folder / "onnx")
    assert find_config("model.onnx").preprocess == found.preprocess


def test_find_config_reads_timms_file(folder):
    write("config.json", TIMM)
    write("preprocessor_config.json", {"image_processor_type": "TimmWrapperImageProcessor"})
    found = find_config("plain.onnx")
    assert (found.labels, found.model, found.preprocess["resize"]) == (("a", "b"), "tiny", 224)


def test_find_config_prefers_the_metadata_inside_the_model(folder):
    model = plain_model()
    entries = {"task": "classify", "names": "{0: 'x', 1: 'y'}", "imgsz": "[12, 14]"}
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)
    Path("plain.onnx").write_bytes(model.SerializeToString())
    write("config.json", VIT)
    found = find_config("plain.onnx")
    assert (found.labels, found.preprocess["crop"]) == (("x", "y"), (12, 14))
    assert found.sources["labels"] == "plain.onnx: metadata (Ultralytics)"


def test_find_config_takes_the_preprocessing_of_a_preset_and_labels_from_elsewhere(folder):
    write("config.json", VIT)
    write("preprocessor_config.json", {"image_processor_type": "Unknown"})
    found = find_config("plain.onnx", preset="keras-caffe")
    assert (found.labels, found.bgr, found.preprocess["fit"]) == (("cat", "dog"), True, "squash")
    with pytest.raises(SpecError, match="unknown preset 'keras-coffee'; did you mean keras-caffe"):
        find_config("plain.onnx", preset="keras-coffee")


def test_find_config_reads_a_named_file_or_folder_instead(folder):
    write("labels.txt", "no\nnames\n")
    write("other/config.json", VIT)
    write("other/preprocessor_config.json", PROCESSOR)
    assert find_config("plain.onnx", config="other").labels == ("cat", "dog")
    assert find_config("plain.onnx", config="other").preprocess["crop"] == (12, 14)
    assert find_config("plain.onnx", config="other/config.json").preprocess == {}
    typed = {"image_processor_type": "ViTImageProcessor", **PROCESSOR}
    write("typed.json", typed)
    assert find_config("plain.onnx", config="typed.json").labels is None
    write("timm.json", TIMM)
    assert find_config("plain.onnx", config="timm.json").labels == ("a", "b")


@pytest.mark.parametrize(
    "name", ["labels.txt", "classes.json", "imagenet_classes.txt", "plain.txt", "plain_labels.txt"]
)
def test_find_config_reads_a_file_of_class_names(folder, name):
    write(name, json.dumps(LABELS) if name.endswith("json") else "\n".join(LABELS))
    found = find_config("plain.onnx")
    assert (found.labels, found.sources) == (LABELS, {"labels": name})


def test_find_config_prefers_a_file_of_class_names_to_names_that_transformers_made_up(folder):
    write("labels.txt", "katze\nhund\n")
    write("config.json", VIT)
    assert find_config("plain.onnx").labels == ("cat", "dog")
    write("config.json", {"architectures": ["ViTForImageClassification"]})
    assert find_config("plain.onnx").labels == ("katze", "hund")


def test_find_config_lists_several_files_of_class_names(folder):
    write("labels.txt", "a\nb")
    write("classes.txt", "c\nd")
    with pytest.raises(
        SpecError, match=r"several files may have the class names: classes\.txt, labels\.txt; set `labels`"
    ):
        find_config("plain.onnx")
    assert find_config("plain.onnx", find_labels=False) == ThirdPartyConfig()
    write("config.json", VIT)
    assert find_config("plain.onnx").labels == ("cat", "dog"), "they are not needed"


def test_find_config_reads_the_license_of_a_model_card(folder):
    write("README.md", "---\ntags:\n- vision\nlicense: apache-2.0\n---\n# A model\nlicense: mit\n")
    assert find_config("plain.onnx").license is None, "not the card of a model"
    write("config.json", VIT)
    found = find_config("plain.onnx")
    assert (found.license, found.sources["license"]) == ("apache-2.0", "README.md")
    for text in ("---\nlicense: other\n---\n", "license: mit\n", "---\nlicense:\n- mit\n---\n"):
        write("README.md", text)
        assert find_config("plain.onnx").license is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.json", "{", r"config\.json is not valid JSON"),
        ("config.json", "[]", "is not a JSON object"),
        ("config.json", '{"id2label": ' + "[" * 200 + "]" * 200 + "}", "nested more than"),
        ("config.json", '{"id2label": {"0": "\\ud800"}}', "unpaired surrogate"),
        ("config.json", '{"id2label": {"0": "a"}, "x": NaN}', "NaN is not a JSON value"),
        (
            "preprocessor_config.json",
            '{"auto_map": {"AutoImageProcessor": "x.Y"}, "size": 3}',
            "names no image processor",
        ),
        ("labels.txt", "a\n\nb", "line 2 is empty"),
    ],
)
def test_find_config_refuses_malformed_files_in_one_line(folder, name, text, message):
    write(name, text)
    with pytest.raises(EdgekitError, match=message) as caught:
        find_config("plain.onnx")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ArtifactError | DataError)


def test_find_config_refuses_named_files_that_are_no_configuration(folder):
    write("other.json", {"learning_rate": 1})
    with pytest.raises(
        ArtifactError, match=r"not a configuration of transformers or timm; its keys are \['learning_rate"
    ):
        find_config("plain.onnx", config="other.json")
    write("empty/notes.md", "")
    with pytest.raises(ArtifactError, match="contains no configuration of transformers or timm, and no class names"):
        find_config("plain.onnx", config="empty")
    with pytest.raises(ArtifactError, match=r"absent\.json: cannot be opened: No such file"):
        find_config("plain.onnx", config="absent.json")
    Path("binary.json").write_bytes(b"\xff\x00")
    with pytest.raises(ArtifactError, match="not a JSON file in UTF-8"):
        find_config("plain.onnx", config="binary.json")
    Path("large.json").write_bytes(b" " * (2**23 + 1))
    with pytest.raises(ArtifactError, match="more than the limit of 8388608 bytes"):
        find_config("plain.onnx", config="large.json")
