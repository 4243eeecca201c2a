"""How figures of candidates are printed."""

from types import SimpleNamespace

import pytest

from edgekit.fit import figures_text as text
from edgekit.fit.budget import Budget
from edgekit.fit.front import Figures


@pytest.mark.parametrize(
    ("value", "printed"),
    [(0.0456, "0.0456 ms"), (0.87, "0.870 ms"), (5, "5.00 ms"), (99.96, "100 ms"), (123.4, "123 ms")],
)
def test_milliseconds_have_three_digits(value, printed):
    assert text.milliseconds(value) == printed


def test_megabytes_have_two_decimals_below_100():
    assert [text.megabytes(size) for size in (1234, 3_950_000, 123_456_789)] == ["0.00 MB", "3.95 MB", "123 MB"]


def test_figures_text_has_all_three():
    assert text.figures_text(Figures(4.81, 3_950_000, 21_400_000)) == "4.81 ms, 3.95 MB, 21.40 MB of memory"


def test_budget_text_leaves_out_what_is_not_limited():
    assert text.budget_text(Budget(latency_ms=5.0)) == "5 ms"
    budget = Budget(latency_ms=0.8, size_bytes=3_500_000, memory_bytes=60_000_000)
    assert text.budget_text(budget) == "0.8 ms, 3.5 MB, 60 MB of memory"


def test_device_text_marks_what_is_predicted():
    here = SimpleNamespace(name="AMD EPYC", threads=2, is_here=True, source="measured here")
    away = SimpleNamespace(name="Raspberry Pi 5", threads=1, is_here=False, source="device.json")
    assert text.device_text(here) == "AMD EPYC, 2 threads, measured here"
    assert text.device_text(away) == "Raspberry Pi 5, 1 thread, predicted from device.json"
