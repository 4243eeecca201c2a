"""Class names in the files in which tools write them."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_json import JSON

from edgekit.errors import DataError
from edgekit.label_files import labels_of, parse_literal, read_labels, read_synonyms


def labels_in(tmp_path: Path, text: str, name: str = "labels.txt") -> tuple[str, ...]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_labels(path)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("tench\ngreat white shark \n", ("tench", "great white shark")),
        ("\ufefftench\r\ngoldfish\r\n", ("tench", "goldfish")),
        ("0 tench\n1 gold fish\n", ("tench", "gold fish")),
        ("0  tench\n1  goldfish\n", ("tench", "goldfish")),
        ("0: tench\n1: goldfish\n", ("tench", "goldfish")),
        ("0,tench\n1,goldfish\n", ("tench", "goldfish")),
        ("1\tgoldfish\n0\ttench\n", ("tench", "goldfish")),
        ("000 tench\n001 goldfish", ("tench", "goldfish")),
        ("n01440764 tench, Tinca tinca\nn01443537 goldfish\n", ("tench, Tinca tinca", "goldfish")),
        ("n01440764\nn01443537\n", ("n01440764", "n01443537")),
        ("0\n1\n2\n", ("0", "1", "2")),
        ("10 euros\n20 euros\n", ("10 euros", "20 euros")),
        ("1 euro\n2 euros\n5 euros\n", ("1 euro", "2 euros", "5 euros")),
        ("0 tench\ngoldfish\n", ("0 tench", "goldfish")),
        ("{0: 'tench, Tinca tinca',\n 1: \"gold'fish\"}\n", ("tench, Tinca tinca", "gold'fish")),
        ('["tench", "goldfish"]', ("tench", "goldfish")),
    ],
)
def test_read_labels_of_text_files(tmp_path, text, labels):
    assert labels_in(tmp_path, text) == labels


@pytest.mark.parametrize(
    "text",
    [
        '["tench", "goldfish"]',
        '{"1": "goldfish", "0": "tench"}',
        '{"tench": 0, "goldfish": 1}',
        '{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}',
        '{"id2label": {"0": "tench", "1": "goldfish"}, "label2id": {}}',
        '{"names": ["tench", "goldfish"], "nc": 2}',
    ],
)
def test_read_labels_of_json_files(tmp_path, text):
    assert labels_in(tmp_path, text, "labels.json") == ("tench", "goldfish")


def test_read_labels_orders_indices_as_numbers(tmp_path):
    text = "{" + ", ".join(f'"{index}": "class {index}"' for index in sorted(map(str, range(12)))) + "}"
    assert labels_in(tmp_path, text, "labels.json") == tuple(f"class {index}" for index in range(12))


@pytest.mark.parametrize(
    "text",
    [
        "names:\n  0: tench\n  1: gold, fish\n",
        "# data\npath: x\nnames:\n- tench\n- 'gold, fish'\nnc: 2\n",
        'nc: 2\nnames: [tench, "gold, fish"]\n',
        "names: ['tench',\n  'gold, fish']\n",
        "names: {0: tench, 1: 'gold, fish'}\n",
        "names: {'1': 'gold, fish', '0': tench}\n",
    ],
)
def test_read_labels_of_yaml_files(tmp_path, text):
    assert labels_in(tmp_path, text, "data.yaml") == ("tench", "gold, fish")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", "line 1 is empty"),
        ("a.txt", "tench\n\ngoldfish\n", "line 2 is empty"),
        ("a.txt", "1 tench\n2 goldfish\n", "numbered from 1, but the logits from 0"),
        ("a.txt", "0 tench\n1 goldfish\n2 shark\n4 ray\n5 cock\n", "line 4 interrupts the numbering"),
        ("a.txt", "0 tench\n1 goldfish\nshark\n3 ray\n4 cock\n5 hen\n", "line 3 interrupts the numbering"),
        ("a.txt", "0 tench\n1 goldfish\n1 shark\n2 ray\n3 cock\n", "line 3 interrupts the numbering"),
        ("a.txt", "index,name\n0,tench\n1,goldfish\n2,shark\n", "line 1 interrupts the numbering"),
        ("a.pbtxt", 'item {\n  id: 1\n  name: "tench"\n}\n', "is a TensorFlow label map"),
        ("a.json", "[", "neither valid JSON nor a list or dict"),
        ("a.json", "[" * 10**6, "neither valid JSON nor a list or dict"),
        ("a.json", "7", r"expected a list of class names, or class names by index \(got 7\)"),
        ("a.json", "[]", "expected a list of class names"),
        ("a.json", '["tench", 1]', r"class 1 must have a name \(got 1\)"),
        ("a.json", '["tench", " "]', "class 1 must have a name"),
        ("a.json", '{"0": "tench", "2": "goldfish"}', "indices of 2 classes must be 0 to 1"),
        ("a.json", '{"1": "tench", "2": "goldfish"}', "indices of 2 classes must be 0 to 1"),
        ("a.json", '{"0": "tench", "00": "goldfish"}', "keys must be the indices"),
        ("a.json", '{"zero": "tench"}', "keys must be the indices"),
        ("a.json", '{"tench": 0, "goldfish": 0}', "several class names have the same index"),
        ("a.yaml", "path: x\n", "expected class names under the key names"),
        ("a.yaml", "names: &anchor\n- a\n", "names must be a list or a mapping"),
        ("a.yaml", "names:\n", "names must be a list, or a mapping"),
        ("a.yaml", "names:\n- tench: 1\n", "cannot read the name 'tench: 1'"),
        ("a.yaml", "names:\n- |\n  tench\n", "names must be a list, or a mapping"),
        ("a.yaml", "names:\n  0: a\n  0: b\n", "an index occurs twice"),
        ("a.yaml", "names: {0: a, 2: b}\n", "indices of 2 classes must be 0 to 1"),
    ],
)
def test_read_labels_refuses_other_forms(tmp_path, name, text, message):
    with pytest.raises(DataError, match=message) as caught:
        labels_in(tmp_path, text, name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")


def test_read_labels_refuses_files_that_are_absent_binary_or_never_end(tmp_path):
    with pytest.raises(DataError, match=r"labels\.txt: cannot be opened: No such file"):
        read_labels(tmp_path / "labels.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a UTF-8 text file"):
        read_labels(tmp_path / "binary.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(DataError, match="not a regular file"):
        read_labels(tmp_path / "pipe.txt")


def test_read_synonyms_accepts_pairs_and_files(tmp_path):
    table = tmp_path / "map.csv"
    table.write_text('auto,car\n"crane, bird","crane"\n')
    assert read_synonyms(["a=b", str(table)]) == {"a": "b", "auto": "car", "crane, bird": "crane"}
    with pytest.raises(DataError, match="must be OLD=NEW or an existing CSV file"):
        read_synonyms(["missing.csv"])
    table.write_text("one,two,three\n")
    with pytest.raises(DataError, match="3 columns"):
        read_synonyms([str(table)])


def test_parse_literal_runs_nothing():
    with pytest.raises(DataError, match="names: neither valid JSON nor a list or dict"):
        parse_literal("__import__('os').getcwd()", "names")


@given(JSON)
def test_labels_of_accepts_or_refuses_any_json(value):
    with suppress(DataError):  # any other exception fails
        labels = labels_of(value, "labels.json")
        assert labels
        assert all(isinstance(label, str) and label for label in labels)


@given(st.text(max_size=40), st.sampled_from(["a.txt", "a.json", "a.yaml"]))
def test_read_labels_accepts_or_refuses_any_text(tmp_path_factory, text, name):
    path = tmp_path_factory.getbasetemp() / name
    path.write_text(text, encoding="utf-8", newline="")
    with suppress(DataError):  # any other exception fails
        assert all(read_labels(path))
