"""The metadata in an .onnx file: round trips, what is passed through unchanged, and refusals."""

import dataclasses
import json

import hypothesis.strategies as st
import made_models
import onnx
import pytest
from hypothesis import given, settings
from made_models import tiny_info, tiny_model

from edgekit.artifact.info import (
    ArtifactInfo,
    parse_info,
    read_info,
    read_model,
    with_info,
    write_info,
)
from edgekit.artifact.metadata import read_metadata, with_metadata
from edgekit.errors import ArtifactError
from edgekit.preprocess.adaptive_crops import AdaptivePlan
from edgekit.preprocess.spec import Preprocess

NAMES = st.text(min_size=1, max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)
PLAN = AdaptivePlan(view_names=("center", "wide"), temperature=1.5, curve=((1.0, 0.0), (2.0, 1.0)), budget=1.25)
INFOS = st.builds(
    ArtifactInfo,
    model=NAMES,
    labels=st.lists(NAMES, min_size=1, max_size=5).map(tuple),
    preprocess=st.builds(Preprocess, resize=st.integers(1, 500), color=st.just("RGB")),
    license=NAMES,
    arguments=OBJECTS,
    precision=st.sampled_from(["float32", "float16", "int8"]),
    weights_sha256=st.none() | NAMES,
    parent_sha256=st.none() | NAMES,
    parity=OBJECTS,
    calibration=st.none() | OBJECTS,
    metrics=st.none() | OBJECTS,
    adaptive_crops=st.none()
    | st.builds(
        AdaptivePlan,
        view_names=st.just(("center", "wide")),
        temperature=st.floats(0.1, 10),
        curve=st.just(((1.0, 0.0), (2.0, 1.0))),
        budget=st.floats(1, 9),
    ),
    temperature=st.none() | st.floats(0, exclude_min=True, allow_infinity=False) | st.integers(1, 2**53),
    temperature_fit=st.none() | OBJECTS,
)


@given(INFOS)
@settings(max_examples=40)
def test_artifact_info_round_trips_through_json(info):
    assert ArtifactInfo.from_dict(json.loads(json.dumps(info.to_dict()))) == info


@given(INFOS)
@settings(max_examples=10)
def test_write_info_round_trips_and_is_reproducible(tmp_path_factory, info):
    folder, model = tmp_path_factory.mktemp("round"), tiny_model().SerializeToString()
    write_info(model, info, folder / "a.onnx")
    assert read_info(folder / "a.onnx") == info
    write_info((folder / "a.onnx").read_bytes(), info, folder / "b.onnx")
    assert (folder / "a.onnx").read_bytes() == (folder / "b.onnx").read_bytes()


def test_to_dict_writes_a_temperature_only_if_there_is_one():
    assert not {"temperature", "temperature_fit"} & set(tiny_info().to_dict())
    document = tiny_info(temperature=0.7, temperature_fit={"images": 100}).to_dict()
    assert (document["temperature"], document["temperature_fit"]) == (0.7, {"images": 100})
    assert ArtifactInfo.from_dict(tiny_info().to_dict() | {"temperature": None}).temperature is None


@pytest.mark.parametrize("value", [0, -1, -0.5, True, 10**400, "1", [], float("nan"), float("inf")], ids=repr)
def test_artifact_info_refuses_a_temperature_that_is_not_a_number_above_0(value):
    with pytest.raises(ArtifactError, match="temperature"):
        ArtifactInfo.from_dict(tiny_info().to_dict() | {"temperature": value})
    with pytest.raises(ArtifactError, match="`temperature` must be a finite number above 0"):
        tiny_info(temperature=value)


def test_write_info_writes_the_keys_of_other_tools(tiny_artifact):
    metadata = read_metadata(tiny_artifact.read_bytes())
    assert metadata["names"] == "{0: 'red', 1: 'green', 2: 'blue', 3: 'black'}"
    assert metadata["imgsz"] == "[8, 10]"
    assert metadata["task"] == "classify"


@pytest.mark.parametrize("labels", [(), ("a", ""), ("a", 1), ("a", "b\udcff")])
def test_info_refuses_labels_that_no_file_can_store(labels):
    with pytest.raises(ArtifactError, match="`labels` must be one or more non-empty names in UTF-8"):
        dataclasses.replace(tiny_info(), labels=labels)


def test_read_info_suggests_adopt_for_an_onnx_file_without_metadata(tmp_path):
    path = tmp_path / "plain.onnx"
    path.write_bytes(tiny_model().SerializeToString())
    with pytest.raises(ArtifactError, match=r"plain\.onnx: an ONNX file without edgekit metadata"):
        read_info(path)


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"text, not ONNX", b"\xff" * 50, b"\x0b\x0c", b"\x3a\xff\xff\xff\xff\x0f"]
)
def test_parse_info_refuses_bytes_that_are_not_a_model(data):
    with pytest.raises(ArtifactError, match=r"^name: .*(ONNX)"):
        parse_info(data, name="name")


def test_epoch_choice_is_absent_or_round_trips():
    assert "epoch_choice" not in tiny_info().to_dict()
    info = dataclasses.replace(tiny_info(), epoch_choice={"epoch": 3, "epochs": 9, "monitor": "top1"})
    assert ArtifactInfo.from_dict(json.loads(json.dumps(info.to_dict()))) == info
    with pytest.raises(ArtifactError, match="epoch_choice is 3"):
        ArtifactInfo.from_dict(tiny_info().to_dict() | {"epoch_choice": 3})


def test_from_dict_refuses_missing_and_invalid_entries():
    entry = tiny_info().to_dict()
    for name in entry:
        with pytest.raises(ArtifactError, match=name):
            ArtifactInfo.from_dict({key: value for key, value in entry.items() if key != name})
        with pytest.raises(ArtifactError):
            ArtifactInfo.from_dict(entry | {name: 7})
    with pytest.raises(ArtifactError, match="newer edgekit"):
        ArtifactInfo.from_dict(entry | {"schema": 3})
    for labels in ("abcd", [], [""], [1], {"a": 1}, None):
        with pytest.raises(ArtifactError, match="labels"):
            ArtifactInfo.from_dict(entry | {"labels": labels})
    with pytest.raises(ArtifactError, match="precision"):
        dataclasses.replace(tiny_info(), precision="int3")


def test_read_model_limits_the_size_and_names_the_file(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"12345")
    assert read_model(path, max_bytes=5) == b"12345"
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        read_model(path, max_bytes=4)
    for wrong in (tmp_path, tmp_path / "absent.onnx", "/dev/zero"):
        with pytest.raises(ArtifactError):
            read_model(wrong)


def test_write_info_writes_a_valid_onnx_file(tiny_artifact):
    onnx.checker.check_model(onnx.load(tiny_artifact))
    assert read_info(tiny_artifact) == made_models.tiny_info()


def test_to_dict_omits_adaptive_crops_if_there_are_none():
    assert "adaptive_crops" not in tiny_info().to_dict()
    assert ArtifactInfo.from_dict(tiny_info().to_dict()).adaptive_crops is None


@pytest.mark.parametrize("wrong", ["center", [], {}, {"views": ["center"]}, 5, True], ids=str)
def test_parse_info_refuses_broken_adaptive_crops(wrong):
    document = json.dumps(tiny_info().to_dict() | {"adaptive_crops": wrong})
    model = with_metadata(tiny_model().SerializeToString(), {"edgekit": document})
    with pytest.raises(ArtifactError, match=r"a\.onnx: .*crops"):
        parse_info(model, name="a.onnx")


def multi_label_info(**changes):
    return tiny_info(**{"task": "multi-label", "thresholds": (0.5, 0.25, 0.75, 0.5)} | changes)


def test_a_multi_label_model_round_trips_and_names_its_task_for_other_tools():
    info = multi_label_info(thresholds_fit={"images": 100, "maximizes": "F1 of each class"})
    document = json.loads(json.dumps(info.to_dict()))
    assert (document["task"], document["thresholds"]) == ("multi-label", [0.5, 0.25, 0.75, 0.5])
    assert ArtifactInfo.from_dict(document) == info
    assert read_metadata(with_info(tiny_model().SerializeToString(), info))["task"] == "multi-label"
    assert info.scoring.thresholds == info.thresholds


def test_to_dict_writes_task_and_thresholds_only_if_they_are_not_the_defaults():
    assert not {"task", "thresholds", "thresholds_fit"} & set(tiny_info().to_dict())
    assert not {"thresholds", "thresholds_fit"} & set(multi_label_info(thresholds=None).to_dict())
    assert ArtifactInfo.from_dict(tiny_info().to_dict() | {"task": None}).task == "single-label"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"thresholds": (0.5,)}, "`thresholds` has 1 values for 4 labels"),
        ({"temperature": 0.7}, "`temperature` needs the task 'single-label'"),
        ({"adaptive_crops": PLAN}, "`adaptive_crops` needs the task 'single-label'"),
    ],
)
def test_a_multi_label_model_refuses_what_does_not_fit_it(changes, message):
    with pytest.raises(ArtifactError, match=message):
        multi_label_info(**changes)


@pytest.mark.parametrize(
    "wrong",
    [{"task": "detect"}, {"task": 5}, {"thresholds": [0.5] * 4}, {"task": "multi-label", "thresholds": [2.0] * 4}],
    ids=str,
)
def test_parse_info_refuses_a_broken_task_and_names_the_file(wrong):
    model = with_metadata(tiny_model().SerializeToString(), {"edgekit": json.dumps(tiny_info().to_dict() | wrong)})
    with pytest.raises(ArtifactError, match=r"a\.onnx: .*(task|thresholds)"):
        parse_info(model, name="a.onnx")
