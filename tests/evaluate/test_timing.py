"""Functions timed in turn by a simulated clock, and two models timed by the real one."""

import numpy as np
import pytest
from made_models import CROP

from edgekit.evaluate import timing
from edgekit.evaluate.timing import paired_latency, speedup, time_in_turn
from edgekit.runtime.session import SessionOptions, open_session


@pytest.fixture
def work(monkeypatch):
    """A factory of functions that take a given number of seconds, and the list of names in the order of their calls."""
    now, order = [0.0], []
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def make(name, seconds):
        def run():
            order.append(name)
            now[0] += seconds

        return run

    return make, order


def test_time_in_turn_reverses_every_other_round(work):
    make, order = work
    timings = time_in_turn([make("slow", 4), make("fast", 1)], rounds=8, round_s=0)
    assert [seconds.shape for seconds in timings] == [(8, 1), (8, 1)]
    assert order[6:] == ["slow", "fast", "fast", "slow"] * 4
    assert speedup(*timings).to_dict() == {"value": 4, "low": 4, "high": 4}


def test_time_in_turn_fills_a_round_with_calls(work):
    make, _ = work
    slow, fast, idle = time_in_turn([make("slow", 0.5), make("fast", 1 / 64), make("idle", 0)], rounds=6, round_s=1 / 8)
    assert (slow.shape, fast.shape, idle.shape) == ((6, 1), (6, 8), (6, 200))
    assert slow.mean() == 0.5


def test_speedup_does_not_depend_on_drift(work):
    timings = time_in_turn([lambda: None, lambda: None], rounds=9)
    for number in range(9):
        timings[0][number], timings[1][number] = 3.0 * (number + 1), 1.0 * (number + 1)
    assert speedup(*timings).to_dict() == pytest.approx({"value": 3, "low": 3, "high": 3})


def test_time_in_turn_calls_on_round_after_each(work):
    calls = []
    time_in_turn([work[0]("x", 1)], rounds=7, on_round=lambda: calls.append(1))
    assert len(calls) == 7


def test_paired_latency_of_a_model_with_itself_is_near_one(tiny_artifact):
    first, second = (
        open_session(tiny_artifact.read_bytes(), name="tiny", options=SessionOptions(threads=1)) for _ in range(2)
    )
    latency = paired_latency(first, second, np.zeros((1, *CROP, 3), np.uint8), threads=1)
    assert 0.2 < latency.speedup < 5
    assert 0 < latency.baseline_ms < 100
    assert latency.to_dict()["threads"] == 1
