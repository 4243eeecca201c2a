"""Tables as people write them: one row per real file, every usual separator and encoding, contradictions refused."""

import os
import unicodedata
from pathlib import Path

import pytest

from edgekit.dataset import read, read_both
from edgekit.errors import DataError, DataWarning


@pytest.fixture
def table(tmp_path):
    """Write a table beside images and return its path."""
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.png").write_bytes(name.encode())
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "images").symlink_to(tmp_path, target_is_directory=True)

    def write(text: str, encoding: str = "utf-8", name: str = "table.csv") -> Path:
        (tmp_path / name).write_bytes(text.encode(encoding))
        return tmp_path / name

    return write


@pytest.mark.parametrize("other", ["a.png", "./a.png", "images/a.png", "link.png", "images/images/./a.png"])
def test_read_lists_a_file_once_however_it_is_spelled(table, other):
    images = read(table(f"file,label\na.png,cat\nb.png,dog\n{other},cat\n"), "all")
    assert images.names == ("a.png", "b.png")
    with pytest.raises(DataError, match=r"table.csv: lines 2 and 4 label the same file .*: 'cat' and 'dog'"):
        read(table(f"file,label\na.png,cat\nb.png,dog\n{other},dog\n"), "all")
    with pytest.raises(DataError, match=r"lines 2 and 4 put the same file .* into different splits"):
        read(table(f"file,label,split\na.png,cat,train\nb.png,dog,train\n{other},cat,val\n"), "all")


def test_read_compares_the_sets_of_labels(table):
    images = read(table("file,labels\na.png,x|y\na.png,y|x\nb.png,\n"), "all")
    assert images.names == ("a.png", "b.png")
    with pytest.raises(DataError, match=r"label the same file 'a.png': 'x, y' and 'x'"):
        read(table("file,labels\na.png,x|y\na.png,x\nb.png,\n"), "all")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_read_accepts_usual_separators_and_encodings(table, separator, encoding):
    text = "file,label\na.png,Küche\nb.png,Bad\n".replace(",", separator)
    assert read(table(text, encoding), "all").classes == ("Bad", "Küche")


@pytest.mark.parametrize(
    ("text", "encoding", "message"),
    [
        ("file,label\na.png,Küche\n", "cp1252", r"not a CSV file in UTF-8 \(byte b'\\xfc' at position 18\); save it"),
        ("file,label\na.png,x\n", "utf-16-le", "has NUL characters"),
        ("file,label\na.png,NaN\nb.png,x\n", "utf-8", r"line 2 has no value in column label \(got 'NaN'\)"),
        ("file,label,class_index\na.png,cat,0\nb.png,cat,1\n", "utf-8", "lines 2 and 3 give 'cat' the indexes 0 and 1"),
        ("file,label,class_index\na.png,cat,0\nb.png,dog,0\n", "utf-8", "give index 0 the labels 'cat' and 'dog'"),
        ("file,label,class_index\na.png,cat,x\n", "utf-8", "line 2: class_index must be an integer"),
        ("file,label\na.png,<NA>\nb.png,x\n", "utf-8", r"line 2 has no value in column label \(got '<NA>'\)"),
        ("file,labels\na.png,\"['x', 'y']\"\nb.png,x\n", "utf-8", r"line 2: several labels must be in a column labels"),
        ('file,label\na.png,x\nb.png,"{x, y}"\n', "utf-8", r"line 3: .* separated with '\|' \(got '\{x, y\}'\)"),
        ("file,label,class\na.png,0,cat\n", "utf-8", "has the columns label and class; keep the one to read"),
        ("file,path,label\na.png,b.png,cat\n", "utf-8", "has the columns file and path; keep the one to read"),
        ("file,label,Label\na.png,cat,dog\n", "utf-8", r"a name of its own \(got 'label' in line 1\)"),
        (",file,cat,dog\n0,a.png,1,0\n1,b.png,0,1\n", "utf-8", r"a name of its own \(got '' in line 1\)"),
        ("file,label,split\na.png,cat,train\nb.png,dog,\n", "utf-8", "line 3: either every row or none must have"),
    ],
)
def test_read_refuses_what_it_would_have_to_guess(table, text, encoding, message):
    with pytest.raises(DataError, match=message):
        read(table(text, encoding), "all")


def test_read_does_not_merge_the_val_and_test_rows(table):
    text = "file,label,split\na.png,x,train\nb.png,y,Training\nc.png,x,val\nd.png,y,test\n"
    assert read(table(text), "val").names == ("c.png",)
    assert read(table(text), "train").names == ("a.png", "b.png")
    assert read(table(text.replace(",val", ",testing")), "val").names == ("c.png", "d.png")


def test_read_orders_labels_by_their_indexes(table):
    images = read(table("file,label,class_index\na.png,zebra,0\nb.png,ant,007\nc.png,zebra,00\n"), "all")
    assert (images.classes, images.labels) == (("zebra", "ant"), (0, 1, 0))


def test_read_compares_class_names_in_composed_form(table, tmp_path):
    decomposed = unicodedata.normalize("NFD", "Küche")
    assert read(table(f"file,label\na.png,Küche\nb.png,{decomposed}\n"), "all").classes == ("Küche",)
    for split, name in (("train", "Küche"), ("train", "Bad"), ("val", decomposed), ("val", "Bad")):
        (tmp_path / "rooms" / split / name).mkdir(parents=True)
        (tmp_path / "rooms" / split / name / "1.png").touch()
    assert read_both(tmp_path / "rooms")[1].labels == (0, 1)


def test_read_warns_of_paths_outside_the_folder(table, tmp_path):
    (tmp_path / "inner").mkdir()
    path = table("file,label\n../a.png,cat\n../b.png,dog\nc.png,cat\n", name="inner/table.csv")
    with pytest.warns(DataWarning, match=rf"2 of 3 paths lie outside {tmp_path}/inner"):
        assert read(path, "all").names == ("../a.png", "../b.png", "c.png")


def test_read_follows_links_before_it_goes_to_a_parent_folder(table, tmp_path):
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "far/a.png").write_bytes(b"another")
    (tmp_path / "linked").symlink_to("far/away", target_is_directory=True)
    images = read(table("file,label\na.png,cat\nlinked/../a.png,dog\n"), "all")
    assert images.names == ("a.png", "linked/../a.png")


def test_read_accepts_a_table_in_the_current_folder(table, tmp_path, monkeypatch):
    table("file,label\na.png,cat\n./b.png,dog\n")
    monkeypatch.chdir(tmp_path)
    assert len(read("table.csv", "all")) == 2  # without a warning of paths outside the folder


@pytest.mark.skipif(os.name == "nt", reason="files of POSIX")
def test_read_does_not_wait_for_a_truth_that_never_ends(tmp_path):
    (tmp_path / "photos").mkdir()
    os.mkfifo(tmp_path / "truth.csv")
    for truth in (tmp_path / "truth.csv", "/dev/zero"):
        with pytest.raises(DataError, match="not a regular file"):
            read(tmp_path / "photos", "all", truth=truth)
