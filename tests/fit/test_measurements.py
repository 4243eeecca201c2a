"""Candidates that are measured while the machine is busy."""

import pytest

from edgekit.fit import measurements
from edgekit.fit.front import Figures
from edgekit.fit.measurements import quiet_figures

EXPECTED = [Figures(1.0, 1000, 1000), Figures(2.0, 2000, 2000), Figures(4.0, 4000, 4000)]


@pytest.fixture
def latencies(monkeypatch):
    """A list of the latencies of each measurement to come."""
    coming = []

    def measured(paths, **_):
        return [figures._replace(latency_ms=value) for figures, value in zip(EXPECTED, coming.pop(0), strict=True)]

    monkeypatch.setattr(measurements, "file_figures", measured)
    return coming


def _measured(latencies, *measured):
    latencies += measured
    notes = []
    figures = quiet_figures(["a", "b", "c"], device=None, expected=EXPECTED, on_note=notes.append)
    return [one.latency_ms for one in figures], notes


def test_networks_that_take_as_long_as_expected_are_measured_once(latencies):
    assert _measured(latencies, [1.1, 1.9, 9.0]) == ([1.1, 1.9, 9.0], [])


def test_networks_that_all_take_longer_are_measured_again_and_the_shorter_time_counts(latencies):
    found, notes = _measured(latencies, [2.0, 2.1, 8.0], [1.2, 2.4, 4.0])
    assert found == [1.2, 2.1, 4.0]
    (note,) = notes
    assert note.startswith("networks take 2.0 times as long as expected")
    assert note.endswith("measuring them again")
    assert latencies == []
