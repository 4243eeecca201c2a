"""Verdicts on measured speedups."""

import pytest

from edgekit.bench.result import BenchResult, Speedup
from edgekit.evaluate.intervals import Interval


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.7, 1.4, "too noisy to decide"), (1.1, 1.6, "noisy"), (0.97, 1.05, "no significant difference"), (1.5, 1.6, "")],
)
def test_speedup_verdict_depends_on_the_interval(low, high, verdict):
    times = Interval(value=(low + high) / 2, low=low, high=high)
    speedup = Speedup(baseline="a", other="b", what="network", times=times)
    assert speedup.verdict == verdict
    assert (
        BenchResult(subjects=(), speedups=(speedup,), peaks={}, noise=0.0).to_dict()["speedups"][0]["verdict"]
        == verdict
    )
