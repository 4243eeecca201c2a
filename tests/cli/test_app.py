"""The commands and their help, and how a command line that cannot be parsed is refused."""

import re

import pytest
import typer

from edgekit import __version__
from edgekit.cli import app
from edgekit.errors import quote

COMMANDS = typer.main.get_command(app.app).commands
PARAMETERS = [
    pytest.param(name, parameter, id=f"{name} {parameter.opts[0]}")
    for name, command in COMMANDS.items()
    for parameter in command.params
]


def test_version_is_printed(edgekit):
    assert edgekit("--version") == (0, f"edgekit {__version__}\n", "")


@pytest.mark.parametrize("arguments", [(), ("--help",)], ids=str)
def test_help_lists_every_command(edgekit, arguments):
    code, out, err = edgekit(*arguments)
    assert (code, err) == (0, "")
    assert all(command in out for command in app.COMMANDS)


@pytest.mark.parametrize("command", app.COMMANDS)
def test_help_of_every_command_fits_80_columns_and_has_examples(edgekit, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = edgekit(command, "--help")
    assert code == 0
    assert f"edgekit {command}" in out.partition("Examples")[2]
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out  # rich cuts words that are longer than their column
    assert not re.search("<[a-z]", out)  # <str>, <path>: typer's names of Python types


@pytest.mark.parametrize(("command", "parameter"), PARAMETERS)
def test_help_of_every_option_shows_its_form_and_its_default(edgekit, monkeypatch, command, parameter):
    monkeypatch.setenv("COLUMNS", "500")  # wide enough for one line per option
    lines = edgekit(command, "--help")[1].splitlines()
    name = parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.metavar
    (row,) = [line for line in lines if re.match(rf"│ (\*|) *{re.escape(name)}\s", line)]
    assert "[required]" in row if parameter.required else re.search(r"\[default: [^\]]+\]", row)
    assert not re.search(r"default: (None|\(\)|False|True)\]", row)
    assert parameter.metavar in row


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", "a.png", "--treads", "2"), "unknown option '--treads'; did you mean --threads or --resume?"),
        (("predict", "a.png", "--nonsense"), "unknown option '--nonsense'; run `edgekit predict --help`"),
        (("predict", "a.png", "-x"), "unknown option '-x'; run `edgekit predict --help`"),
        (("--versoin",), "unknown option '--versoin'; did you mean --version?"),  # sic
        (("predit", "a.png"), "unknown command 'predit'; did you mean predict?"),
        (("predict", "a.png", "--threads", "x"), "--threads must be an integer from 1 (got 'x')"),
        (("predict", "a.png", "--threads", "0"), "--threads must be an integer from 1 (got '0')"),
        (("predict", "a.png", "--budget", "nan"), "--budget must be a number from 1 (got 'nan')"),
        (("bench", "m.onnx", "--rounds", "1001"), "--rounds must be an integer from 6 to 1000 (got '1001')"),
        (("train", "data", "--epochs", "1.5"), "--epochs must be an integer (got '1.5')"),
        (("train", "data", "--seed", "9" * 5000), f"--seed must be an integer (got {quote('9' * 5000)})"),
        (("adopt", "m.onnx", "--layout", "chwn"), "--layout must be nchw or nhwc (got 'chwn')"),
        (("adopt", "m.onnx", "--color", "rgb"), "--color must be RGB, BGR or L (got 'rgb')"),
        (("quantize", "m.onnx"), "--calibration is required; run `edgekit quantize --help`"),
        (("quantize",), "MODEL is required; run `edgekit quantize --help`"),
        (("evaluate",), "MODEL... DATA is required; run `edgekit evaluate --help`"),
        (("predict", "a.png", "--model"), "option '--model' requires an argument"),
        (("predict", "a.png", "--json=1"), "option '--json' does not take a value"),
        (("inspect", "a.onnx", "b.onnx"), "got unexpected extra argument(s) (b.onnx); run `edgekit inspect --help`"),
        (("predict",), "IMAGE... or --list is required; run `edgekit predict --help`"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_command_line_that_cannot_be_parsed_is_refused_in_one_line(mistake, arguments, message):
    assert mistake(*arguments) == (2, f"error: {message}\n")


def test_interrupted_command_exits_130(edgekit, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("edgekit.runtime.doctor.check_up", interrupt)
    message = "interrupted; nothing was written; to start again: edgekit doctor\n"
    assert edgekit("doctor") == (130, "", message)
