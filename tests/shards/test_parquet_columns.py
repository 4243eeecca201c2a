"""Columns of Parquet files: chosen by metadata, by usual names, by the caller; never guessed among several."""

import json

import pyarrow as pa
import pytest
from made_shards import hugging_face

from edgekit.errors import DataError
from edgekit.shards import ShardLayout
from edgekit.shards.parquet_columns import Columns, find_columns

STRUCT = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def found(schema, metadata=None, **layout) -> Columns:
    return find_columns(pa.schema(schema, metadata), ShardLayout(**layout), "x.parquet")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"image": STRUCT, "label": pa.int64()}, ("image", "struct", "label", None)),
        ({"image": pa.binary(), "cls": pa.int32()}, ("image", "bytes", "cls", None)),
        ({"jpg": pa.large_binary(), "__key__": pa.string()}, ("jpg", "bytes", None, "__key__")),
        ({"bytes": pa.binary(), "path": pa.string(), "label": pa.string()}, ("bytes", "bytes", "label", None)),
        ({"file": pa.string(), "class": pa.dictionary(pa.int8(), pa.string())}, ("file", "path", "class", None)),
        ({"photo": STRUCT, "title": pa.string()}, ("photo", "struct", None, None)),
        ({"image": pa.string(), "key": pa.int64()}, ("image", "path", None, "key")),
    ],
)
def test_find_columns_chooses_the_only_column_that_fits(schema, expected):
    assert found(schema)[:4] == expected


def test_find_columns_reads_hugging_face_metadata_first():
    columns = find_columns(hugging_face([1]).schema, ShardLayout(), "x.parquet")
    assert columns == Columns("image", "struct", "label", None, ("dark", "bright"))
    features = {"photo_file": {"_type": "Image"}, "fine": {"_type": "ClassLabel", "names": ["a"]}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = {"image": STRUCT, "photo_file": STRUCT, "label": pa.int64(), "fine": pa.int64()}
    assert found(schema, metadata)[:3] == ("photo_file", "struct", "fine")


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"image": STRUCT, "thumbnail": STRUCT}, "the images may be in 'image', 'thumbnail'; set `image_column`"),
        (
            {"image": STRUCT, "label": pa.int8(), "cls": pa.int8()},
            "may be in 'label', 'cls'; set `label_column`",
        ),
        ({"path": pa.string(), "file": pa.string()}, "the images may be in 'path', 'file'; set `image_column`"),
        (
            {"a": pa.int8(), "b": pa.binary()},
            r"seems to have images; set `image_column` \(columns: 'a', 'b'\)",
        ),
    ],
)
def test_find_columns_asks_when_several_or_no_columns_fit(schema, message):
    with pytest.raises(DataError, match=message):
        found(schema)


def test_find_columns_follows_the_caller():
    schema = {"image": STRUCT, "other": pa.binary(), "label": pa.int8(), "fine": pa.string(), "id": pa.int64()}
    chosen = found(schema, image_column="other", label_column="fine", key_column="id")
    assert chosen == Columns("other", "bytes", "fine", "id", None)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"image_column": "imgae"}, "`image_column`: unknown column 'imgae'; did you mean image"),
        ({"image_column": "score"}, r"column 'score' must have bytes, .* or paths \(got 'float'\)"),
        ({"label_column": "tags"}, r"column 'tags' must have integers or text as labels \(got 'list<"),
        ({"label_column": "score"}, "'score' must have integers or text"),
        ({"label_column": "flag"}, r"'flag' must have integers or text as labels \(got 'bool'\)"),
        ({"key_column": "score"}, "column 'score' must have text or integers as keys"),
    ],
)
def test_find_columns_refuses_what_cannot_be_meant(layout, message):
    schema = {"image": STRUCT, "score": pa.float32(), "tags": pa.list_(pa.string()), "flag": pa.bool_()}
    with pytest.raises(DataError, match=message):
        found(schema, **layout)


@pytest.mark.parametrize("text", ["{", "[1]", '{"info": 3}', "[" * 10**6, "\xff"])
def test_find_columns_refuses_broken_metadata(text):
    with pytest.raises(DataError, match="metadata of key 'huggingface' cannot be read"):
        found({"image": STRUCT}, {"huggingface": text})


def test_find_columns_refuses_names_of_classes_that_are_not_text():
    features = {"label": {"_type": "ClassLabel", "names": ["a", 3]}}
    with pytest.raises(DataError, match=r"must name every class \(got \['a', 3\]\)"):
        found({"image": STRUCT, "label": pa.int8()}, {"huggingface": json.dumps({"info": {"features": features}})})
