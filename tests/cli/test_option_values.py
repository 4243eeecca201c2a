"""Values of options as people write them."""

import pytest

from edgekit.cli.option_values import composite, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (".5", 0.5),
        ("-.5", -0.5),
        ("5.", 5.0),
        (".5e-3", 0.0005),
        ("1e-3", 0.001),
        (".485,.456,.406", [0.485, 0.456, 0.406]),
        ("[.5, 1.]", [0.5, 1.0]),
        ("[[0, 96]]", [[0, 96]]),
        ("true", True),
        ("stage7,last", ["stage7", "last"]),
        ('"a .5"', "a .5"),
        *((text, [text]) for text in ("../x.5", "1.2.3", "v.5", "007", "2026-01-01", "1\nother = 2", "1 # one", ".")),
    ],
)
def test_composite_parses_numbers_as_people_write_them(text, value):
    assert composite(text) == value


def test_scalar_returns_other_text_unchanged():
    assert [scalar(text) for text in ("a,b", ".x", "")] == ["a,b", ".x", ""]


def test_mean_and_std_may_begin_with_a_point(mistake, tmp_path):
    for values, message in (
        (".485,.456,.406", "nowhere: no such folder or file"),
        ("127.5", r"--mean must be on a 0-1"),
    ):
        model = ("--model", "mobilenet_v2", "--mean", values, "--std", ".25")
        _, err = mistake("train", "nowhere", *model, "--run", tmp_path / "run")
        assert message in err
