"""Functions are timed in turn, for about the same time each."""

import io
import time
from functools import partial

from edgekit.bundle.bench_program.progress import Progress
from edgekit.bundle.bench_program.quartiles import quartiles
from edgekit.bundle.bench_program.timing import time_in_turn


def test_every_other_round_goes_backwards():
    calls = []
    timings = time_in_turn([lambda: calls.append("a"), lambda: calls.append("b")], rounds=3, seconds=1e-12)
    assert "".join(calls[6:]) == "abbaab"  # after three calls each to warm up
    assert [len(rounds) for rounds in timings] == [3, 3]


def test_rounds_last_as_long_as_asked_but_have_at_least_one_run(monkeypatch):
    clock = [0.0]

    def run(seconds):
        clock[0] += seconds

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    fast, slow = time_in_turn([partial(run, 0.003), partial(run, 2.0)], rounds=3, seconds=0.1)
    assert [len(calls) for calls in (*fast, *slow)] == [33, 33, 33, 1, 1, 1]
    assert {round(milliseconds, 6) for calls in fast for milliseconds in calls} == {3.0}


def test_quartiles_lie_around_the_median():
    assert quartiles([1, 2, 3, 4, 5.00001]) == {"median": 3.0, "low": 2.0, "high": 4.0}


def test_progress_without_a_terminal_is_few_lines():
    stream = io.StringIO()
    progress = Progress(stream)
    progress.begin("latency", 1000)
    progress._start -= 100  # as if it had begun long ago
    for _ in range(1000):
        progress.step()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "latency ..."
    assert lines[1] == "latency:  10%, 900 s left"
    assert len(lines) == 10
