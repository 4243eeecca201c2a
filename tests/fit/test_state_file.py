"""The state of a search."""

import json
import os

import pytest

from edgekit.errors import DataError
from edgekit.fit.state_file import check_folder, has_state, open_state

SETTINGS = {"seed": 0, "budget": {"latency_ms": 5.0}, "networks": ("a", "b")}


def _saved(folder):
    state = open_state(folder, SETTINGS)
    state.entries["a"] = {"measured": None}
    state.save()
    return state


def test_state_is_read_back_with_the_time_that_was_spent(tmp_path):
    state = _saved(tmp_path / "out")
    state.save()
    again = open_state(tmp_path / "out", SETTINGS)
    assert has_state(tmp_path / "out")
    assert again.entries == {"a": {"measured": None}}
    assert 0 < again.seconds == state.seconds
    again.save()
    assert again.seconds > state.seconds


def test_state_counts_time_without_saving_at_every_call(tmp_path, monkeypatch):
    state = _saved(tmp_path)
    state.path.unlink()
    state.count_time()
    assert not state.path.exists()
    monkeypatch.setattr("edgekit.fit.state_file._SAVE_EVERY_S", 0.0)
    state.count_time()
    assert state.path.exists()


def test_folder_with_another_search_or_anything_else_is_refused(tmp_path):
    _saved(tmp_path / "out")
    with pytest.raises(DataError, match="has a fit with seed 0, now it is 1; give the same to continue it, or choose"):
        open_state(tmp_path / "out", {**SETTINGS, "seed": 1})
    with pytest.raises(DataError, match=r"has a fit with budget latency_ms 5.0, now it is 4.0; give the same"):
        open_state(tmp_path / "out", {**SETTINGS, "budget": {"latency_ms": 4.0}})
    with pytest.raises(DataError, match="has a fit with networks"):
        open_state(tmp_path / "out", {**SETTINGS, "networks": ("a",)})
    (tmp_path / "photos").mkdir()
    open_state(tmp_path / "photos", SETTINGS)  # an empty folder is fine
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    for folder in (tmp_path / "photos", tmp_path / "photos" / "a.jpg"):
        with pytest.raises(DataError, match="exists and has no fit to continue"):
            open_state(folder, SETTINGS)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "{}", '{"schema": 1}', "[" * 10**5, "\ud800".encode("utf-8", "replace").decode()]
)
def test_damaged_state_is_one_line(tmp_path, text):
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(DataError, match="is not the state of a fit"):
        open_state(tmp_path, SETTINGS)


def test_state_of_a_later_schema_is_refused(tmp_path):
    path = _saved(tmp_path).path
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 2}))
    with pytest.raises(DataError, match="unknown schema 2"):
        open_state(tmp_path, SETTINGS)


def test_check_folder_accepts_a_folder_that_can_be_made_and_makes_nothing(tmp_path):
    check_folder(tmp_path / "new" / "deep")
    assert list(tmp_path.iterdir()) == []
    _saved(tmp_path / "out")
    check_folder(tmp_path / "out")


def test_check_folder_refuses_what_cannot_be_written_before_anything_is_measured(tmp_path, monkeypatch):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"notes.txt/out: cannot be written in .*notes.txt"):
        check_folder(tmp_path / "notes.txt" / "out")
    with pytest.raises(DataError, match="cannot be written: File name too long"):
        check_folder(tmp_path / ("a" * 300))
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # a test that runs as root may write everywhere
    with pytest.raises(DataError, match="out: cannot be written in"):
        check_folder(tmp_path / "out")
