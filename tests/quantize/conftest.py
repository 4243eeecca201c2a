"""A fast quality gate: the tests check what it does with timings, not how precise they are."""

from functools import partial

import pytest

from edgekit.evaluate import timing
from edgekit.quantize import quality_gate


@pytest.fixture(autouse=True)
def fast_gate(monkeypatch):
    monkeypatch.setattr(timing, "time_in_turn", partial(timing.time_in_turn, rounds=3, round_s=0.002))
    monkeypatch.setattr(quality_gate, "peak_memory_bytes", lambda path: 50_000_000)
