"""Progress without a terminal: a line for every tenth, and none for short work."""

import pytest

from edgekit.cli import progress
from edgekit.cli.progress import download_progress, progress_bar, stage_progress


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
    for total, seconds in ((40, 0.1), (None, 10)):
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
