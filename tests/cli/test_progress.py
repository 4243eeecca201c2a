"""Progress: a bar on a terminal; elsewhere a line for every tenth, and none for short work."""

import os
import threading

import pytest
from made_terminal import Terminal

from edgekit.cli import progress
from edgekit.cli.layout import text_width
from edgekit.cli.progress import download_progress, progress_bar, stage_progress, training_progress
from edgekit.train.callbacks import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves on."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_progress_bar_prints_a_line_for_every_tenth(clock, capsys):
    with progress_bar("measuring", 40) as advance:
        for _ in range(40):
            clock[0] += 4
            advance()
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert lines[0] == "measuring: 10% (4 of 40), 2:24 left  0.2/s"
    assert [line.split()[1] for line in lines] == [f"{tenth}0%" for tenth in range(1, 10)]


def test_progress_bar_prints_nothing_for_short_work_or_an_unknown_total(clock, capsys):
    for total, seconds in ((40, 0.04), (None, 10)):
        with progress_bar("measuring", total) as advance:
            for _ in range(40):
                clock[0] += seconds
                advance()
    assert capsys.readouterr().err == ""


def test_stage_progress_starts_anew_with_each_stage(clock, capsys):
    with stage_progress() as show:
        for stage in ("ranges", "search"):
            for done in range(1, 3):
                clock[0] += 1800
                show(stage, done, 2)
    assert capsys.readouterr().err == "ranges: 50% (1 of 2), 30:00 left\nsearch: 50% (1 of 2), 30:00 left\n"


def test_download_progress_counts_megabytes(clock, capsys):
    with download_progress() as show:
        show(0, 4_000_000)
        clock[0] += 3661
        show(2_000_000, 4_000_000)
    assert capsys.readouterr().err == "downloading: 50% (2.0 MB of 4.0 MB), 1:01:01 left\n"


def test_a_stage_without_counts_prints_one_line_after_two_seconds(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_QUIET_S", 0.01)
    with stage_progress() as show:
        show("simplifying", 0, None)
        threads = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
        for thread in threads:
            thread.join()
    assert capsys.readouterr().err.splitlines()[-1] == "simplifying ..."


def test_a_slow_stage_prints_its_first_state_before_the_first_tenth(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_QUIET_S", 0.2)
    with progress_bar("predicting", 1000) as advance:
        advance()
        (thread,) = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
        thread.join()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("predicting: 0% (1 of 1000), ")


def test_training_progress_counts_evaluations_beside_the_training(clock, capsys):
    step = {"epochs": 2, "steps": 5, "loss": 0.5, "accuracy": 0.75, "images_per_s": 100.0}
    with training_progress() as (on_step, on_stage):
        on_stage("features of train images", 0, 20)
        clock[0] += 30
        on_stage("features of train images", 10, 20)
        for number in range(1, 6):
            clock[0] += 100
            on_step(Progress(epoch=1, step=number, **step))
            on_stage("evaluating", 5, 10)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "features of train images: 50% (10 of 20), 0:30 left"
    assert lines[1] == "training: 10% (1 of 10), 15:00 left  epoch 1/2  loss 0.500  acc 0.750  100/s"
    assert [line.partition(":")[0] for line in lines[1:]] == ["training"] * 5


@pytest.mark.skipif(os.name == "nt", reason="terminals of POSIX")
def test_a_terminal_shows_a_bar_that_leaves_no_trace_and_stdout_alone(tmp_path, tiny_artifact, photos):
    with Terminal("evaluate", tiny_artifact, photos, folder=tmp_path, output=tmp_path / "out.txt") as terminal:
        terminal.read_until(r"evaluating ━+ +\d+/12")
        assert terminal.finish() == 0
    assert "━" not in (tmp_path / "out.txt").read_text()
    assert all(text_width(line) <= 80 for line in terminal.lines())


@pytest.mark.skipif(os.name == "nt", reason="terminals of POSIX")
def test_predictions_on_a_terminal_have_no_bar_and_those_in_a_file_have_one(tmp_path, tiny_artifact, photos):
    command = ("predict", photos, "--model", tiny_artifact)
    with Terminal(*command, folder=tmp_path) as terminal:
        assert terminal.finish() == 0
    assert len(terminal.lines()) == 12
    assert "━" not in terminal.text
    with Terminal(*command, folder=tmp_path, output=tmp_path / "out.txt") as terminal:
        assert terminal.finish() == 0
    assert "predicting ━" in terminal.text
    assert len((tmp_path / "out.txt").read_text().splitlines()) == 12


@pytest.mark.skipif(os.name == "nt", reason="terminals of POSIX")
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(tmp_path, tiny_artifact, photos):
    with Terminal("evaluate", tiny_artifact, photos, folder=tmp_path, environment={"TERM": "dumb"}) as terminal:
        assert terminal.finish() == 0
    assert "━" not in terminal.text
