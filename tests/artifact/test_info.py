"""The metadata in an .onnx file: round trips, what passes through untouched, refusals."""

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
    read_metadata,
    read_model,
    read_sidecar,
    sidecar_path,
    with_metadata,
    write_info,
    write_sidecar,
)
from edgekit.artifact.protobuf import MAX_FIELDS, delimited, fields, signed, varints
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
)


@given(INFOS)
@settings(max_examples=40)
def test_json_round_trip(info):
    assert ArtifactInfo.from_dict(json.loads(json.dumps(info.to_dict()))) == info


@given(INFOS)
@settings(max_examples=10)
def test_files_round_trip_and_repeat_their_bytes(tmp_path_factory, info):
    folder, model = tmp_path_factory.mktemp("round"), tiny_model().SerializeToString()
    write_info(model, info, folder / "a.onnx")
    assert read_info(folder / "a.onnx") == info
    write_info((folder / "a.onnx").read_bytes(), info, folder / "b.onnx")
    assert (folder / "a.onnx").read_bytes() == (folder / "b.onnx").read_bytes()


@given(st.dictionaries(st.text(), st.text(), max_size=6))
def test_metadata_is_what_the_onnx_package_reads_and_the_rest_is_untouched(metadata):
    model = tiny_model()
    model.metadata_props.add(key="old", value="gone")
    written = with_metadata(model.SerializeToString(), metadata)
    assert read_metadata(written) == metadata
    parsed = onnx.load_from_string(written)
    assert {entry.key: entry.value for entry in parsed.metadata_props} == metadata
    del parsed.metadata_props[:], model.metadata_props[:]
    assert parsed == model


def test_other_tools_find_their_keys(tiny_artifact):
    metadata = read_metadata(tiny_artifact.read_bytes())
    assert metadata["names"] == "{0: 'red', 1: 'green', 2: 'blue', 3: 'black'}"
    assert metadata["imgsz"] == "[8, 10]"
    assert metadata["task"] == "classify"


def test_an_onnx_file_without_metadata_says_what_makes_one(tmp_path):
    path = tmp_path / "plain.onnx"
    path.write_bytes(tiny_model().SerializeToString())
    with pytest.raises(ArtifactError, match=r"plain\.onnx: an ONNX file without edgekit's metadata"):
        read_info(path)


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"text, not ONNX", b"\xff" * 50, b"\x0b\x0c", b"\x3a\xff\xff\xff\xff\x0f"]
)
def test_what_is_no_model_is_refused(data):
    with pytest.raises(ArtifactError, match=r"^name: .*(ONNX)"):
        parse_info(data, name="name")


def test_a_key_that_stands_twice_is_refused():
    model = tiny_model()
    for value in ("1", "2"):
        model.metadata_props.add(key="x", value=value)
    with pytest.raises(ArtifactError, match="twice"):
        read_metadata(model.SerializeToString())


def test_changed_documents_are_refused():
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


def test_a_model_file_is_bounded_and_named(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"12345")
    assert read_model(path, max_bytes=5) == b"12345"
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        read_model(path, max_bytes=4)
    for wrong in (tmp_path, tmp_path / "absent.onnx", "/dev/zero"):
        with pytest.raises(ArtifactError):
            read_model(wrong)


def test_a_sidecar_comes_back_and_a_broken_one_is_named(tmp_path):
    model = tmp_path / "model.onnx"
    assert read_sidecar(model) == {}
    write_sidecar(model, {"latency_ms": 1.5})
    assert read_sidecar(model)["latency_ms"] == 1.5
    for broken in (b"{", b"[]", b"\xff", b"[" * 100_000):
        sidecar_path(model).write_bytes(broken)
        with pytest.raises(ArtifactError, match=r"model\.json"):
            read_sidecar(model)


# -- the wire ---------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=300))
def test_any_bytes_are_fields_or_an_artifact_error(data):
    try:
        parts = list(fields(memoryview(data)))
    except ArtifactError:
        return
    assert b"".join(data[part.start : part.end] for part in parts) == data


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_packed_integers_are_read_as_protobuf_writes_them(numbers):
    tensor = onnx.TensorProto(int64_data=numbers).SerializeToString()
    payloads = [tensor[part.payload : part.end] for part in fields(memoryview(tensor))]
    assert [signed(v) for payload in payloads for v in varints(memoryview(payload))] == numbers


def test_a_tag_past_32_bits_is_refused():
    """protobuf drops the bits above, so it would see field 25 (functions) where a reader of them sees another."""
    tag = (2**33 | 25 << 3 | 2).to_bytes(5, "little")
    number = int.from_bytes(tag, "little")
    encoded = bytes((number >> shift & 0x7F) | (0x80 if shift < 28 else 0) for shift in range(0, 35, 7))
    with pytest.raises(ArtifactError):
        list(fields(memoryview(encoded + b"\x00")))


def test_delimited_fields_and_the_bound_of_their_number():
    (part,) = fields(memoryview(delimited(14, b"x" * 300)))
    assert (part.number, part.end - part.payload) == (14, 300)
    assert len(list(fields(memoryview(b"\x08\x01" * MAX_FIELDS)))) == MAX_FIELDS
    with pytest.raises(ArtifactError, match="parts"):
        list(fields(memoryview(b"\x08\x01" * (MAX_FIELDS + 1))))


def test_the_tiny_artifact_is_a_valid_onnx_file(tiny_artifact):
    onnx.checker.check_model(onnx.load(tiny_artifact))
    assert read_info(tiny_artifact) == made_models.tiny_info()


def test_a_file_without_adaptive_crops_is_as_it_was_before_there_were_any():
    assert "crops" not in tiny_info().to_dict()
    assert ArtifactInfo.from_dict(tiny_info().to_dict()).adaptive_crops is None


@pytest.mark.parametrize("wrong", ["center", [], {}, {"views": ["center"]}, 5, True], ids=str)
def test_broken_adaptive_crops_are_said(wrong):
    document = json.dumps(tiny_info().to_dict() | {"adaptive_crops": wrong})
    model = with_metadata(tiny_model().SerializeToString(), {"edgekit": document})
    with pytest.raises(ArtifactError, match=r"a\.onnx: .*crops"):
        parse_info(model, name="a.onnx")
