"""The walk through folders: every real folder once, in natural order, without what systems add."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.dataset import read, read_unlabeled
from edgekit.walk import natural, walk


def files(root, **options):
    return [os.path.relpath(item.path, root) for item in walk(str(root), **options) if not item.is_folder]


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_walk_yields_files_in_natural_order_to_a_depth(tmp_path):
    touch(*(tmp_path / name for name in ("b10", "b9", "c/d/e", "c/1")))
    assert files(tmp_path) == ["b9", "b10", "c/1", "c/d/e"]
    assert files(tmp_path, deepest=1) == ["b9", "b10"]
    assert files(tmp_path, deepest=2) == ["b9", "b10", "c/1"]
    assert files(tmp_path, skipped=tmp_path / "c") == ["b9", "b10"]


def test_walk_enters_each_real_folder_once(tmp_path):
    touch(tmp_path / "data/a/1", tmp_path / "data/b/2", tmp_path / "far/3")
    for link, target in (("data/a/up", "data"), ("data/b/up", "."), ("data/c", "data/a"), ("data/d", "far")):
        (tmp_path / link).symlink_to(tmp_path / target, target_is_directory=True)
    (tmp_path / "data/self").symlink_to("self")
    found = files(tmp_path / "data")
    assert sorted(map(os.path.basename, found)) == ["1", "2", "3", "self"]
    assert "a/1" in found


def test_walk_leaves_out_what_systems_add(tmp_path):
    names = ("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", ".Trash-1000", "__MACOSX", ".ipynb_checkpoints")
    touch(tmp_path / "a/1.png", tmp_path / "a/._1.png", *(tmp_path / "a" / name / "1.png" for name in names))
    assert files(tmp_path) == ["a/1.png"]
    assert read_unlabeled(tmp_path) == (tmp_path / "a/1.png",)


def test_read_enters_a_linked_parent_folder_once(tmp_path):
    touch(tmp_path / "cat/1.png", tmp_path / "cat/2.jfif", tmp_path / "dog/3.png", tmp_path / "dog/4.HEIC")
    (tmp_path / "cat/up").symlink_to(tmp_path, target_is_directory=True)
    images = read(tmp_path, "all")
    assert (images.names, images.labels) == (("cat/1.png", "cat/2.jfif", "dog/3.png", "dog/4.HEIC"), (0, 0, 1, 1))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_walk_yields_a_folder_that_cannot_be_read_with_the_error(tmp_path):
    (tmp_path / "a").mkdir(mode=0)
    assert [item.error for item in walk(str(tmp_path))] == [None, "Permission denied"]


@given(st.lists(st.integers(0, 10**30)))
def test_natural_order_sorts_numbers_by_value(numbers):
    written = [f"image {number} of 9" for number in numbers]
    assert sorted(written, key=natural) == [f"image {number} of 9" for number in sorted(numbers)]
