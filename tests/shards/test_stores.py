"""Stores of local files, and the names of files in stores."""

import pickle

import pytest

from edgekit.errors import DataError, EdgekitError
from edgekit.shards import open_store
from edgekit.shards.stores import is_uri, join, local_path, parent, shown, split_query


def test_a_local_store_lists_reads_and_writes(tmp_path):
    store = pickle.loads(pickle.dumps(open_store(str(tmp_path))))
    for name in ("b10", "b2", "a/c", ".hidden"):
        store.write(join(str(tmp_path), name), name.encode())
    path = str(tmp_path / "b10")
    found = [(file.path.removeprefix(f"{tmp_path}/"), file.size_bytes) for file in store.files(str(tmp_path))]
    assert found == [("a/c", 3), ("b2", 2), ("b10", 3)]
    assert store.read(path, max_bytes=3) == b"b10"
    assert store.read_range(path, 1, 9) == b"10"
    assert store.read(f"file://{path}", max_bytes=3) == b"b10"
    assert (store.size_bytes(path), store.size_bytes(f"{path}x"), store.size_bytes(str(tmp_path))) == (3, None, None)
    assert store.is_folder(str(tmp_path))
    assert not store.is_folder(path)
    with store.open(path) as file:
        assert (file.seek(1), file.read()) == (1, b"10")
    store.remove(path)
    store.remove(path)
    assert store.size_bytes(path) is None


def test_a_local_store_shows_a_written_file_only_when_it_is_complete(tmp_path):
    store, path = open_store(str(tmp_path)), tmp_path / "out" / "part"
    with store.writing(str(path)) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    with pytest.raises(ZeroDivisionError), store.writing(str(path)) as file:
        file.write(b"half" * (1 // 0))
    assert [entry.name for entry in path.parent.iterdir()] == ["part"]
    assert path.read_bytes() == b"new"


def test_a_local_store_states_what_is_wrong(tmp_path):
    store = open_store(str(tmp_path))
    store.write(str(tmp_path / "a"), b"12")
    with pytest.raises(DataError, match="more than the limit of 1 bytes"):
        store.read(str(tmp_path / "a"), max_bytes=1)
    with pytest.raises(DataError, match="is a folder"):
        store.read_range(str(tmp_path), 0, 1)
    with pytest.raises(DataError, match="no such file"):
        store.open(str(tmp_path / "b"))
    with pytest.raises(EdgekitError, match="cannot be written"):
        store.write(str(tmp_path / "a" / "b"), b"")
    with pytest.raises(DataError, match="cannot be deleted"):
        store.remove(str(tmp_path))


def test_names_of_files_keep_the_options_of_a_uri_and_hide_them_from_messages():
    uri = "s3://key:secret@bucket/train/0.tar?region=x&secret_key=y/z"
    assert split_query(uri) == ("s3://key:secret@bucket/train/0.tar", "?region=x&secret_key=y/z")
    assert parent(uri) == "s3://key:secret@bucket/train?region=x&secret_key=y/z"
    assert join(parent(uri), "1.tar") == uri.replace("0.tar", "1.tar")
    assert shown(uri) == "s3://bucket/train/0.tar"
    assert (
        shown("abfss://container@account.dfs.core.windows.net/x") == "abfss://container@account.dfs.core.windows.net/x"
    )
    assert split_query("a?b=c/d.tar") == ("a?b=c/d.tar", "")
    assert split_query("s3://bucket/?.tar") == ("s3://bucket/?.tar", "")


def test_local_path_is_none_for_object_stores(tmp_path):
    assert local_path("s3://bucket/x") is None
    assert local_path(f"file://{tmp_path}/a%20b") == tmp_path / "a b"
    assert local_path("a b") is not None
    assert not is_uri("C:/photos")
