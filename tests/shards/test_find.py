"""Finding shards by files, folders, patterns and braces."""

import itertools
from pathlib import Path

import pytest
from made_shards import web_dataset, write_tar

from edgekit.errors import DataError, SpecError
from edgekit.shards import find_shards
from edgekit.shards.find import is_shard_source


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Shards train/2, train/10, val/0, and what is none of them."""
    for name in ("train/2.tar", "train/10.tar", "val/0.tar"):
        write_tar(tmp_path / "set" / name, web_dataset([1]))
    for name in ("set/notes.md", "set/_temporary/0.tar", "set/.hidden/0.tar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("set", ["set/train/2.tar", "set/train/10.tar", "set/val/0.tar"]),
        ("set/val/0.tar", ["set/val/0.tar"]),
        ("set/train/*.tar", ["set/train/2.tar", "set/train/10.tar"]),
        ("set/*/?.tar", ["set/train/2.tar", "set/val/0.tar"]),
        ("set/**/[0-9].tar", ["set/train/2.tar", "set/val/0.tar"]),
        ("set/{val/0,train/2}.tar", ["set/val/0.tar", "set/train/2.tar"]),
        ("set/train/{2..2}.tar", ["set/train/2.tar"]),
    ],
)
@pytest.mark.parametrize("prefix", ["", "absolute", "file"])
def test_find_shards_finds_them_in_natural_order(folder, source, expected, prefix):
    before = {"": "", "absolute": f"{folder}/", "file": f"file://{folder}/"}[prefix]
    found = [shard.path for shard in find_shards(before + source)]
    assert found == [before.removeprefix("file://") + name for name in expected]


def test_braces_mean_what_they_mean_to_a_shell(tmp_path):
    """By Bash's rules: leading zeros keep the width, several braces multiply from left to right."""
    for a, b in itertools.product(("train", "val"), ("08", "09", "10")):
        write_tar(tmp_path / f"{a}-{b}.tar", [])
    found = [Path(shard.path).name for shard in find_shards(f"{tmp_path}/{{train,val}}-{{08..10}}.tar")]
    assert found == ["train-08.tar", "train-09.tar", "train-10.tar", "val-08.tar", "val-09.tar", "val-10.tar"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("absent.tar", "absent.tar: no such file or folder"),
        ("set/train/{2..3}.tar", r"set/train/3.tar: no such file, but 'set/train/\{2..3\}.tar' names it"),
        ("set/train/{3..2}.tar", "the numbers in braces must ascend"),
        ("set/{0..999999999}.tar", "the numbers in braces must ascend, at most 100000"),
        ("{0..999}{0..999}{0..999}.tar", "names more than 100000 shards"),
        ("set/{x}.tar", "braces must contain numbers"),
        ("set/*.tar", "set/.*: no .tar, .tar.gz or .parquet files"),
        ("set/notes.md", "not a shard; its name must end with .tar"),
        ("http://example.org/{0..9}.tar", "shards cannot be read by http; download them"),
        ("file://set/0.tar", "a file URI must have three slashes"),
    ],
)
def test_find_shards_states_what_is_wrong_in_one_line(folder, source, message):
    with pytest.raises(DataError, match=message) as raised:
        find_shards(source)
    assert "\n" not in str(raised.value)


def test_find_shards_refuses_a_folder_with_both_kinds(folder):
    (folder / "set" / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"has tar and Parquet files, such as .*0\.tar', .*x\.parquet'; pass a pattern"):
        find_shards("set")


def test_find_shards_refuses_other_types():
    with pytest.raises(SpecError, match="`source` must be a str"):
        find_shards(Path("x.tar"))


def test_a_file_whose_name_is_a_pattern_is_that_file(folder):
    write_tar(folder / "a[1].tar", web_dataset([1]))
    assert [shard.path for shard in find_shards("a[1].tar")] == ["a[1].tar"]


def test_is_shard_source_is_true_for_shards_and_folders_without_images(folder):
    yes = ("set", "x.tar", "x.parquet", "x-{0..9}.tar.gz", "s3://bucket/x", "set/*.tar")
    no = ("x.jpg", "set/notes.md", "http://example.org/a.tar", "absent", "")
    assert [is_shard_source(name) for name in yes] == [True] * len(yes)
    assert [is_shard_source(name) for name in no] == [False] * len(no)
    (folder / "set" / "a.png").write_bytes(b"")
    assert not is_shard_source("set")
