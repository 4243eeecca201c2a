"""How output is formatted."""

import pytest

from edgekit.cli.render import bar, percent, signed


@pytest.mark.parametrize(
    ("points", "text"), [(0.0, "+0.00"), (-0.0, "+0.00"), (-0.004, "+0.00"), (-0.006, "-0.01"), (12.345, "+12.35")]
)
def test_signed_shows_no_negative_zero(points, text):
    assert signed(points) == text


def test_percent_has_two_decimals_and_a_dash_for_none():
    assert (percent(0.98765), percent(1.0), percent(None)) == ("98.77%", "100.00%", "-")


def test_bar_grows_in_eighths_of_a_character():
    lengths = [len(bar(share / 192)) for share in range(193)]
    assert lengths == sorted(lengths)
    assert (bar(0.0), bar(1 / 192), bar(1.0)) == ("", "▏", "█" * 24)
