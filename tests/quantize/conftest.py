"""A fast quality gate: the tests check what it does with timings, not how precise they are."""

from functools import partial

import pytest

from edgekit.evaluate import timing
from edgekit.quantize import held_out_evaluation


@pytest.fixture(autouse=True)
def fast_gate(monkeypatch):
    monkeypatch.setattr(timing, "time_in_turn", partial(timing.time_in_turn, rounds=3, round_s=0.002))
    monkeypatch.setattr(held_out_evaluation, "peak_memory_bytes", lambda path: 50_000_000)
