"""The options of `predict`, read without typer as typer reads them."""

import sys

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from edgekit.cli import app, main
from edgekit.cli.predict import run as predicting
from edgekit.cli.predict.command import options_of
from edgekit.cli.predict.fast_parser import parse
from edgekit.cli.predict.options import OPTIONS, Options

COMMAND = typer.main.get_command(app.app).commands["predict"]
WORDS = st.sampled_from(["a.jpg", "-", "b c.png", "", "5", "0", "1.5", "-3", "x=y", "1_0", " 7", "٣", "1e3", "nan"])
FLAGS = st.sampled_from([option.flag for option in OPTIONS] + ["--help", "--nonsense", "-x", "--", "--js", "--no-json"])
ARGUMENTS = st.lists(
    st.one_of(WORDS, FLAGS, st.builds("{}={}".format, FLAGS, WORDS), st.sampled_from(["--json", "--top", "--model"])),
    max_size=6,
)


def by_typer(arguments):
    """What typer makes of them. Raises what it raises."""
    return options_of(COMMAND.make_context("predict", list(arguments)).params)


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.jpg"],
        ["a.jpg", "--json", "b.jpg"],
        ["--top", "3", "--crops=10", "-", "--model", "m.onnx"],
        ["--timeout", "2.5", "--", "--json", "-x"],
        ["--list", "-", "--short-names", "--logits", "--csv"],
        ["--top", "1", "--top", "2", "a.jpg"],
        ["--model=", "--max-pixels", "10", "--max-bytes", "9", "--threads", "2", "--save", "d", "--resume", "r", "a"],
    ],
)
def test_usual_lines_are_read_as_typer_reads_them(arguments):
    assert parse(arguments) == by_typer(arguments)


@given(ARGUMENTS)
def test_any_line_is_read_as_typer_reads_it_or_left_to_it(arguments):
    read = parse(arguments)
    assert read is None or read == by_typer(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        *("", "--help", "a --help", "--nonsense", "a --top", "a --top 0", "a --top x", "a --json=1"),
        *("a --model --json", "a -h", "a --timeout -1", "a --jso"),
    ],
)
def test_help_and_mistakes_are_left_to_typer(arguments):
    assert parse(arguments.split()) is None


def test_every_option_has_a_field_and_every_field_an_option():
    assert ("pictures", *(option.field for option in OPTIONS)) == Options._fields
    assert {option.flag for option in OPTIONS} == {flag for p in COMMAND.params for flag in p.opts} - {
        "pictures",
        "--help",
    }


def test_both_ways_lead_to_the_same_work(monkeypatch):
    done = []
    monkeypatch.setattr(predicting, "predict", done.append)
    for arguments in (["a.jpg", "--top", "3"], ["a.jpg", "--top", "03 ".strip()]):
        monkeypatch.setattr(sys, "argv", ["edgekit", "predict", *arguments])
        main.main()
    monkeypatch.setattr(sys, "argv", ["edgekit", "predict", "a.jpg", "--top", " 3"])  # typer's alone
    with pytest.raises(SystemExit):
        main.main()
    assert done == [Options(pictures=("a.jpg",), top=3)] * 3
