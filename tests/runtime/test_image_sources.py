"""From the names that a user gives to images: in order, once, and always with an end."""

import io
import os
import re
from pathlib import Path

import pytest

from edgekit.errors import DataError, ImageError
from edgekit.runtime import image_sources
from edgekit.runtime.image_sources import find_images, names_in_list, read_list


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Empty files, because their content is not read here."""
    for name in ("b10.jpg", "b9.JPG", "a.txt", "c/1.png", "c/02.png", "c/d/e.tiff", ".hidden/x.jpg", ".x.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*arguments, **options):
    return [found.name for found in find_images(arguments, **options)]


def test_find_images_keeps_the_names_of_files(tree):
    assert list(find_images(["b10.jpg", "absent.jpg", "a.txt"])) == [
        (name,) * 2 for name in ("b10.jpg", "absent.jpg", "a.txt")
    ]


def test_find_images_lists_a_folder_innatural_order(tree):
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
def test_find_images_matches_patterns(tree, pattern, found):
    expected = found or [pattern]
    assert names(pattern) == expected
    assert names(str(tree / pattern)) == [str(tree / name) for name in expected]
    if not found:
        assert "pattern" in str(next(find_images([pattern])).source)


def test_find_images_prefers_a_file_to_a_pattern(tree):
    Path("b[1].jpg").touch()
    assert names("b[1].jpg") == ["b[1].jpg"]


def test_find_images_takes_existing_names_with_brackets_literally(tree):
    Path("trip [2023]").mkdir()
    Path("trip [2023]/b1.jpg").touch()
    assert names("trip [2023]/*.jpg") == ["trip [2023]/b1.jpg"]
    (absent,) = find_images(["trip [2023]/absent.jpg"])
    assert "no such file" in str(absent.source)


def test_find_images_lists_images_that_cannot_be_decoded(tree):
    Path("photos").mkdir()
    for name in ("a.jfif", "b.heic", "c.dng", "d.txt"):
        Path("photos", name).touch()
    assert names("photos") == ["photos/a.jfif", "photos/b.heic", "photos/c.dng"]


def test_find_images_yields_an_error_in_place_of_a_name_without_images(tree):
    Path("empty").mkdir()
    first, second, last = find_images(["empty", "b9.JPG", "file:///etc/passwd"])
    assert isinstance(first.source, ImageError)
    assert "empty: no images" in str(first.source)
    assert second.name == "b9.JPG"
    assert "not by file" in str(last.source)


def test_find_images_follows_links_once(tree):
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


def test_find_images_does_not_enter_the_skipped_folder(tree):
    assert names(".", skipped="c") == ["./b9.JPG", "./b10.jpg"]
    assert names("**/*.png", skipped="./c/") == ["**/*.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_find_images_yields_an_error_in_place_of_an_unreadable_folder(tree):
    Path("c").chmod(0)
    try:
        found = list(find_images(["."]))
    finally:
        Path("c").chmod(0o700)
    assert "cannot be read" in str(found[-1].source)


def test_find_images_reads_an_image_from_stdin(tree):
    stdin = io.BytesIO(b"x")
    assert list(find_images(["-"], stdin=stdin)) == [("-", stdin)]


def test_read_list_splits_lines_and_nul(tree):
    Path("list.txt").write_bytes(b"\xef\xbb\xbfone.jpg\r\n\r\ntwo words.jpg\n\xff.jpg")
    expected = ["one.jpg", "two words.jpg", os.fsdecode(b"\xff.jpg")]
    assert read_list("list.txt") == expected
    assert read_list("-", stdin=io.BytesIO("\0".join(["one\nline", "two", ""]).encode())) == ["one\nline", "two"]
    for wrong in ("absent.txt", ".", "/dev/zero"):
        with pytest.raises(DataError, match=wrong):
            read_list(wrong)


def test_read_list_refuses_a_longer_stdin_instead_of_cutting_it(monkeypatch):
    monkeypatch.setattr("edgekit.runtime.image_sources._MAX_LIST_BYTES", 8)
    assert read_list("-", stdin=io.BytesIO(b"one.jpg\n")) == ["one.jpg"]
    with pytest.raises(DataError, match="-: more than the limit of 8 bytes"):
        read_list("-", stdin=io.BytesIO(b"one.jpg\ntwo.jpg\n"))


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 100])
def test_a_list_read_piece_by_piece_has_the_same_names(tmp_path, monkeypatch, piece):
    path = tmp_path / "names.txt"
    for content in (b"", b"\n", b"a", b"a\nb b\r\n\n\xff.png\nlast\r", b"one\r\ntwo\r\n", b"x\n" * 99):
        path.write_bytes(content)
        monkeypatch.setattr(image_sources, "_PIECE_BYTES", piece)
        assert list(names_in_list(str(path))) == read_list(str(path))
        assert list(names_in_list("-", stdin=io.BytesIO(content))) == read_list(str(path))


def test_a_long_list_of_find_print0_or_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "names.txt"
    names = [f"folder with\nlines/{number}.png" for number in range(20_000)]
    path.write_bytes(b"\0".join(name.encode() for name in names) + b"\0")
    assert list(names_in_list(str(path))) == names
    path.write_bytes(b"\xef\xbb\xbfa\nb\n")
    assert list(names_in_list(str(path))) == ["a", "b"]


@pytest.mark.parametrize("name", ["absent.txt", "."])
def test_a_list_that_cannot_be_read_is_an_error(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=re.escape(name)):
        list(names_in_list(name))
