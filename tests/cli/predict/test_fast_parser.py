"""`edgekit predict` parsed without typer, as typer parses it."""

import subprocess
import sys
from typing import get_args, get_type_hints
from unittest import mock

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from edgekit.cli import app, main
from edgekit.cli.predict import run as predict_run
from edgekit.cli.predict.fast_parser import parse
from edgekit.cli.predict.options import Options

COMMAND = typer.main.get_command(app.app).commands["predict"]
DECLARED_FLAGS = [
    flag
    for name, declared in get_type_hints(Options, include_extras=True).items()
    if name != "images"
    for flag in get_args(declared)[1].flags_of(name)
]
WORDS = st.sampled_from(["a.jpg", "-", "b c.png", "", "5", "0", "1.5", "-3", "x=y", "1_0", " 7", "٣", "1e3", "nan"])
FLAGS = st.sampled_from([*DECLARED_FLAGS, "--help", "--nonsense", "-x", "--", "--js", "--no-json"])
ARGUMENTS = st.lists(
    st.one_of(WORDS, FLAGS, st.builds("{}={}".format, FLAGS, WORDS), st.sampled_from(["--json", "--top", "--model"])),
    max_size=6,
)


def parse_by_typer(arguments):
    """The options with which typer runs the command. Raises what typer raises."""
    with mock.patch.object(predict_run, "predict") as predict:
        COMMAND.invoke(COMMAND.make_context("predict", list(arguments)))
    return predict.call_args.args[0]


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
def test_parse_agrees_with_typer_on_usual_lines(arguments):
    assert parse(arguments) == parse_by_typer(arguments)


@given(ARGUMENTS)
def test_parse_agrees_with_typer_or_leaves_the_line_to_it(arguments):
    options = parse(arguments)
    assert options is None or options == parse_by_typer(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        *("", "--help", "a --help", "--nonsense", "a --top", "a --top 0", "a --top x", "a --json=1"),
        *("a --model --json", "a -h", "a --timeout -1", "a --jso"),
    ],
)
def test_parse_leaves_help_and_mistakes_to_typer(arguments):
    assert parse(arguments.split()) is None


def test_parse_knows_every_flag_that_typer_knows():
    typer_flags = {flag for parameter in COMMAND.params for flag in parameter.opts} - {"images", "--help"}
    assert typer_flags == set(DECLARED_FLAGS)
    for flag in typer_flags:
        assert parse(["a.jpg", f"{flag}=1"]) or parse(["a.jpg", flag]), flag


def test_both_parsers_lead_to_the_same_prediction(monkeypatch):
    calls = []
    monkeypatch.setattr(predict_run, "predict", calls.append)
    for arguments in (["a.jpg", "--top", "3"], ["a.jpg", "--top", "03"]):
        monkeypatch.setattr(sys, "argv", ["edgekit", "predict", *arguments])
        main.main()
    monkeypatch.setattr(sys, "argv", ["edgekit", "predict", "a.jpg", "--top", " 3"])  # typer's alone
    with pytest.raises(SystemExit):
        main.main()
    assert calls == [Options(images=("a.jpg",), top=3)] * 3


def test_predict_starts_without_typer(folder, tiny_artifact):
    command = [sys.executable, "-X", "importtime", "-m", "edgekit", "predict", "1.png", "--model", str(tiny_artifact)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.split("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "onnxruntime" in imported
    assert imported.isdisjoint({"typer", "click", "pydantic", "rich", "torch", "onnx"})
