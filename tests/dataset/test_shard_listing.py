"""Data sets in shards: splits, classes and their names, and images that are read when they are needed."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_data import make_folder, value_of
from made_shards import encoded, hugging_face, web_dataset, write_tar

from edgekit.dataset import read, read_both, read_held_out, read_images, read_splits
from edgekit.errors import DataError, MissingDependency
from edgekit.shards import ShardLayout, find_shards

DARK, BRIGHT = (10, 20, 30), (200, 210)


def labels(images):
    """The class name of each image by the value of its pixels."""
    return {value_of(s): images.classes[label] for s, label in zip(images.sources, images.labels, strict=True)}


EXPECTED = {**dict.fromkeys(DARK, "dark"), **dict.fromkeys(BRIGHT, "bright")}


def web_datasets(root, *names, classes="dark\nbright\n"):
    """Shards with one image of each value, in turn; the rest in the last."""
    values = [*DARK, *BRIGHT]
    for number, name in enumerate(names):
        part = values[number * len(values) // len(names) : (number + 1) * len(values) // len(names)]
        write_tar(root / name, web_dataset(part, first=100 * number))
    if classes:
        (root / "classes.txt").write_text(classes)


@pytest.mark.parametrize("kind", ["folder", "pattern", "braces", "parquet", "one parquet"])
def test_read_reads_shards_with_their_class_names(tmp_path, kind):
    if "parquet" in kind:
        pq.write_table(hugging_face([*DARK, *BRIGHT]), tmp_path / "0.parquet", row_group_size=2)
        source = tmp_path / "0.parquet" if kind == "one parquet" else tmp_path
    else:
        web_datasets(tmp_path, "0.tar", "1.tar")
        source = tmp_path / {"folder": "", "pattern": "[01].tar", "braces": "{0..1}.tar"}[kind]
    images = read(source, "held-out")
    assert images.classes == ("dark", "bright")
    assert labels(images) == EXPECTED
    assert len(set(images.names)) == len(images)
    assert images.subset([3]).fingerprint() == read(source, "all").subset([3]).fingerprint()


def test_read_takes_class_names_from_the_caller_before_any_others(tmp_path):
    web_datasets(tmp_path, "0.tar", classes="")
    assert read(tmp_path, "all").classes == ("0", "1")
    named = ShardLayout(class_names=("a", "b", "c"))
    assert read(tmp_path, "all", layout=named).classes == ("a", "b", "c")
    (tmp_path / "classes.txt").write_text("x\ny\n")
    assert read(tmp_path, "all").classes == ("x", "y")
    assert read(tmp_path, "all", layout=named).classes == ("a", "b", "c")
    pq.write_table(hugging_face([1], names=("p", "q")), tmp_path / "0.parquet")
    with pytest.raises(DataError, match=r"different names of the classes in .*; set `class_names`"):
        read(tmp_path / "0.parquet", "all")


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("train/0.tar", "val/0.tar"),
        ("train-000.tar", "validation-000.tar"),
        ("imagenet-train-000.tar", "imagenet-test-000.tar"),
        ("data/Training_0.tar", "data/dev_0.tar"),
        ("train-00000-of-00001.tar", "val-00000-of-00001.tar"),
    ],
)
def test_read_both_takes_splits_from_folders_or_file_names(tmp_path, train, val):
    web_datasets(tmp_path, train)
    web_datasets(tmp_path, val)
    training, validation = read_both(tmp_path)
    assert labels(training) == labels(validation) == EXPECTED
    assert labels(read(tmp_path, "val")) == labels(read_held_out(tmp_path)) == EXPECTED
    assert {name: len(images) for name, images in read_splits(tmp_path).items()} == {"train": 5, "val": 5}
    assert not set(training.names) & set(validation.names)


def test_read_uses_validation_before_test_and_warns_when_auditing(tmp_path):
    for name, values in (("train-0", [1, 200]), ("validation-0", [2, 201]), ("test-0", [3, 202])):
        pq.write_table(hugging_face(values), tmp_path / f"{name}.parquet")
    assert set(labels(read(tmp_path, "val"))) == {2, 201}
    with pytest.warns(UserWarning, match="'test' is left out, because there is a val split"):
        assert set(read_splits(tmp_path)) == {"train", "val"}


def test_read_refuses_shards_of_which_only_some_are_named_like_a_split(tmp_path):
    web_datasets(tmp_path, "train-0.tar", "more-0.tar")
    with pytest.raises(
        DataError, match=r"'train-0\.tar' is named like a split, but 'more-0\.tar' is not; pass a pattern"
    ):
        read(tmp_path, "all")


@pytest.mark.parametrize("splits", [(), ("train", "val")])
def test_tars_without_labels_are_read_like_the_folders_that_they_contain(tmp_path, splits):
    folder = make_folder(tmp_path / "pets", splits or ("",))
    members = [(str(path.relative_to(folder)), path.read_bytes()) for path in sorted(folder.rglob("*.png"))]
    write_tar(tmp_path / "shards" / "0.tar", members[::2])
    write_tar(tmp_path / "shards" / "1.tar", members[1::2])
    for split in splits or ("held-out",):
        expected, images = read(folder, split), read(tmp_path / "shards", split)
        assert images.classes == expected.classes
        assert labels(images) == labels(expected)
    shutil.rmtree(folder)
    assert len(read_images(tmp_path / "shards")) == len(members)


def test_text_labels_are_sorted_by_name_and_composed(tmp_path):
    write_tar(
        tmp_path / "0.tar",
        [("a.png", encoded(1)), ("a.cls", "u\u0308ber".encode()), ("b.png", encoded(2)), ("b.cls", b"bar")],
    )
    images = read(tmp_path / "0.tar", "all")
    assert images.classes == ("bar", "\u00fcber")
    assert labels(images) == {1: "\u00fcber", 2: "bar"}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.png", encoded(1)), ("a.cls", b"1"), ("b.png", encoded(2))], r"'b\.png' has no label beside it"),
        ([("a.png", encoded(1)), ("a.cls", b"1"), ("b.png", encoded(2)), ("b.cls", b"x")], "all integers or all text"),
        ([("a.png", encoded(1)), ("a.cls", b"-1")], r"the label must be at least 0 \(got -1\)"),
        ([("a.png", encoded(1)), ("a.cls", b"7")], "the label is 7, but there are 2 class names"),
        ([("a.png", encoded(1)), ("a.cls", b"cat")], "the label 'cat' is not among the 2 class names"),
        ([("a.png", encoded(1)), ("a.txt", b"a\ncaption")], "the images have no labels"),
    ],
)
def test_read_refuses_labels_that_are_not_clear(tmp_path, members, message):
    write_tar(tmp_path / "0.tar", members)
    (tmp_path / "classes.txt").write_text("cats\ndogs\n" if "names" in message else "0\n1\n")
    if "all integers" in message:
        (tmp_path / "classes.txt").unlink()
    with pytest.raises(DataError, match=message):
        read(tmp_path, "all")


def test_read_refuses_parquet_without_labels_and_lists_of_labels(tmp_path):
    pq.write_table(pa.table({"image": [encoded(1)], "tags": [["a", "b"]]}), tmp_path / "0.parquet")
    with pytest.raises(DataError, match="has no column of labels; set `label_column`"):
        read(tmp_path, "all")
    with pytest.raises(DataError, match="several labels per image are read from a CSV table"):
        read(tmp_path, "all", layout=ShardLayout(label_column="tags"))


def test_classes_are_those_of_training_although_only_validation_is_read(tmp_path):
    write_tar(
        tmp_path / "train-0.tar", [("a.png", encoded(1)), ("a.cls", b"x"), ("b.png", encoded(2)), ("b.cls", b"y")]
    )
    write_tar(tmp_path / "val-0.tar", [("a.png", encoded(3)), ("a.cls", b"y")])
    images = read(tmp_path, "val")
    assert (images.classes, labels(images)) == (("x", "y"), {3: "y"})


def test_parquet_without_the_extra_names_the_command(tmp_path, monkeypatch):
    pq.write_table(hugging_face([1]), tmp_path / "0.parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(MissingDependency, match=r"pyarrow is not installed; run: pip install 'edgekit-onnx\[bulk\]'"):
        find_shards(str(tmp_path / "0.parquet"))[0].index()
