"""Checked access to the values of an untrusted configuration."""

import pytest

from edgekit.errors import ArtifactError
from edgekit.export.configs.document import Document

DOCUMENT = Document(
    {
        "size": 224,
        "sizes": [3, 224, 192],
        "mean": [0.5, 0.4, 0.3],
        "one": 0.5,
        "on": True,
        "word": "bicubic",
        "nothing": None,
        "part": {"height": 7},
    },
    "config.json",
)


def test_document_returns_values_of_the_right_type():
    assert DOCUMENT.extent("size") == 224
    assert DOCUMENT.extents("sizes", count=3) == (3, 224, 192)
    assert DOCUMENT.numbers("mean") == (0.5, 0.4, 0.3)
    assert (DOCUMENT.numbers("one"), DOCUMENT.number("one")) == ((0.5,), 0.5)
    assert (DOCUMENT.flag("on"), DOCUMENT.flag("absent"), DOCUMENT.text("word")) == (True, False, "bicubic")
    assert DOCUMENT.part("part") == Document({"height": 7}, "config.json: part")


@pytest.mark.parametrize("key", ["absent", "nothing"])
def test_document_treats_null_as_absent(key):
    assert key not in DOCUMENT
    getters = (DOCUMENT.extent, DOCUMENT.number, DOCUMENT.numbers, DOCUMENT.text, DOCUMENT.part)
    assert [getter(key) for getter in getters] == [None] * 5
    assert DOCUMENT.with_defaults({"nothing": 1, "size": 2}).values["nothing"] == 1
    assert DOCUMENT.with_defaults({"size": 2}).extent("size") == 224


@pytest.mark.parametrize("value", [True, "224", 0, -1, 4097, 10**400, 1.5, [224], {}])
def test_document_refuses_what_is_no_number_of_pixels(value):
    with pytest.raises(ArtifactError, match=r"config\.json: size must be an integer from 1 to 4096 pixels \(got "):
        Document({"size": value}, "config.json").extent("size")


@pytest.mark.parametrize("value", [True, "0.5", float("nan"), float("inf"), 10**400, [], [1] * 5, ["a"], {}])
def test_document_refuses_what_are_no_numbers(value):
    document = Document({"mean": value}, "config.json")
    with pytest.raises(ArtifactError, match=r"mean must be a number, or one for each channel \(got "):
        document.numbers("mean")
    with pytest.raises(ArtifactError, match="mean must be a number from 1/4096 to 4096"):
        document.number("mean")


def test_document_refuses_wrong_flags_texts_lists_and_parts():
    document = Document({"flag": 1, "text": 2, "list": [1, 2], "part": []}, "config.json")
    with pytest.raises(ArtifactError, match="flag must be true or false"):
        document.flag("flag")
    with pytest.raises(ArtifactError, match="text must be a text"):
        document.text("text")
    with pytest.raises(ArtifactError, match="list must be 3 integers from 1 to 4096"):
        document.extents("list", count=3)
    with pytest.raises(ArtifactError, match="part must be an object"):
        document.part("part")
