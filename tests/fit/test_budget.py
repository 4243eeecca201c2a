"""Budgets: reading them, and what keeps them."""

import pytest

from edgekit.errors import SpecError
from edgekit.fit.budget import Budget
from edgekit.fit.front import Figures


@pytest.mark.parametrize(
    ("texts", "limits"),
    [
        ({"latency": "5ms"}, (5.0, None, None)),
        ({"latency": " 0.5 s ", "size": "4MB"}, (500.0, 4_000_000, None)),
        ({"latency": "800us", "size": "4MiB", "memory": "1.5GB"}, (0.8, 4_194_304, 1_500_000_000)),
        ({"latency": ".5ms", "size": "900kB"}, (0.5, 900_000, None)),
    ],
)
def test_budget_reads_quantities_with_units(texts, limits):
    budget = Budget.parse(**texts)
    assert (budget.latency_ms, budget.size_bytes, budget.memory_bytes) == pytest.approx(limits)


@pytest.mark.parametrize(
    "text", ["5", "ms", "5 parsecs", "-5ms", "0ms", "nan ms", "1e3ms", "5ms 4", "", "9" * 400 + "s", 5]
)
def test_budget_refuses_what_is_no_quantity(text):
    with pytest.raises(SpecError, match="`latency` must be a number above 0 with a unit"):
        Budget.parse(latency=text)


def test_budget_names_the_limit_that_is_no_quantity():
    with pytest.raises(SpecError, match=r"`memory` must be .*e\.g\. 4MB \(got '60 ms'\)"):
        Budget.parse(latency="5ms", size="4MB", memory="60 ms")
    with pytest.raises(SpecError, match="`size_bytes` must be a number above 0"):
        Budget(latency_ms=5, size_bytes=0)
    with pytest.raises(SpecError, match="`latency_ms` must be a number above 0"):
        Budget(latency_ms=True)


def test_budget_admits_what_keeps_every_limit():
    budget = Budget(latency_ms=10, size_bytes=1000)
    assert budget.admits(Figures(10, 1000, 10**9))
    assert not budget.admits(Figures(10, 1001, 0))
    assert budget.missed(Figures(11, 2000, 0)) == ("latency", "size")
    assert budget.excess(Figures(11, 2000, 0)) == pytest.approx(0.1 + 1.0)
    assert budget.excess(Figures(9, 1, 0)) == 0


def test_slack_applies_to_the_latency_only():
    budget = Budget(latency_ms=10, size_bytes=1000)
    assert budget.admits(Figures(10.9, 1000, 0), slack=0.1)
    assert not budget.admits(Figures(11.1, 1000, 0), slack=0.1)
    assert not budget.admits(Figures(10.9, 1001, 0), slack=0.1)
