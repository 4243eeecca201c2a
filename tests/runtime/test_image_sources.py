"""From what a user names to images: in order, once, and never without an end."""

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import DataError, ImageError
from edgekit.runtime.image_sources import _natural, find_images, read_list


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Empty files: what they hold is not looked at here."""
    for name in ("b10.jpg", "b9.JPG", "a.txt", "c/1.png", "c/02.png", "c/d/e.tiff", ".hidden/x.jpg", ".x.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*arguments, **options):
    return [found.name for found in find_images(arguments, **options)]


def test_files_are_taken_as_they_are_named(tree):
    assert list(find_images(["b10.jpg", "absent.jpg", "a.txt"])) == [
        (name,) * 2 for name in ("b10.jpg", "absent.jpg", "a.txt")
    ]


def test_a_folder_is_all_its_images_in_natural_order(tree):
    assert names(".") == ["./b9.JPG", "./b10.jpg", "./c/1.png", "./c/02.png", "./c/d/e.tiff"]
    assert names("c/", "b9.JPG") == ["c/1.png", "c/02.png", "c/d/e.tiff", "b9.JPG"]
    assert names(str(tree / "c" / "d")) == [str(tree / "c/d/e.tiff")]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.jpg", ["b10.jpg"]),
        ("b*", ["b9.JPG", "b10.jpg"]),
        ("?/*.png", ["c/1.png", "c/02.png"]),
        ("**/*.png", ["c/1.png", "c/02.png"]),
        ("c/**/e.*", ["c/d/e.tiff"]),
        ("c/[0-9].png", ["c/1.png"]),
        ("[!a-b]*", []),
    ],
)
def test_patterns(tree, pattern, found):
    expected = found or [pattern]
    assert names(pattern) == expected
    assert names(str(tree / pattern)) == [str(tree / name) for name in expected]
    if not found:
        assert "pattern" in str(next(find_images([pattern])).source)


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tree):
    Path("b[1].jpg").touch()
    assert names("b[1].jpg") == ["b[1].jpg"]


def test_what_has_no_images_says_so_in_its_place(tree):
    Path("empty").mkdir()
    first, second, last = find_images(["empty", "b9.JPG", "file:///etc/passwd"])
    assert isinstance(first.source, ImageError)
    assert "empty: no images" in str(first.source)
    assert second.name == "b9.JPG"
    assert "not by file" in str(last.source)


def test_links_are_followed_and_end(tree):
    Path("c/up").symlink_to(tree, target_is_directory=True)
    Path("c/d/round").symlink_to(tree / "c", target_is_directory=True)
    Path("self.jpg").symlink_to("self.jpg")
    Path("elsewhere").mkdir()
    Path("elsewhere/far.jpg").touch()
    Path("c/z").symlink_to(tree / "elsewhere", target_is_directory=True)
    for found in (names("."), names("**/*")):
        assert sum(name.endswith("e.tiff") for name in found) == 1
        assert sum(name.endswith("far.jpg") for name in found) == 1
        assert any(name.endswith("self.jpg") for name in found)


def test_a_skipped_folder_is_not_entered(tree):
    assert names(".", skipped="c") == ["./b9.JPG", "./b10.jpg"]
    assert names("**/*.png", skipped="./c/") == ["**/*.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_is_an_error_in_its_place(tree):
    Path("c").chmod(0)
    try:
        found = list(find_images(["."]))
    finally:
        Path("c").chmod(0o700)
    assert "cannot be read" in str(found[-1].source)


def test_stdin_is_a_image_where_there_is_one(tree):
    stdin = io.BytesIO(b"x")
    assert list(find_images(["-"], stdin=stdin)) == [("-", stdin)]


def test_lists_of_names(tree):
    Path("list.txt").write_bytes(b"\xef\xbb\xbfone.jpg\r\n\r\ntwo words.jpg\n\xff.jpg")
    expected = ["one.jpg", "two words.jpg", os.fsdecode(b"\xff.jpg")]
    assert read_list("list.txt") == expected
    assert read_list("-", stdin=io.BytesIO("\0".join(["one\nline", "two", ""]).encode())) == ["one\nline", "two"]
    for wrong in ("absent.txt", ".", "/dev/zero"):
        with pytest.raises(DataError, match=wrong):
            read_list(wrong)


@given(st.lists(st.integers(0, 10**30)))
def test_numbers_stand_in_their_order(numbers):
    written = [f"image {number} of 9" for number in numbers]
    assert sorted(written, key=_natural) == [f"image {number} of 9" for number in sorted(numbers)]
