"""The commands and their help."""

import pytest

from edgekit import __version__

COMMANDS = (
    "models",
    "train",
    "export",
    "adopt",
    "quantize",
    "verify",
    "predict",
    "evaluate",
    "crops",
    "bench",
    "inspect",
    "doctor",
)


def test_version_is_printed(edgekit):
    assert edgekit("--version") == (0, f"edgekit {__version__}\n", "")


def test_help_lists_every_command(edgekit):
    code, out, _ = edgekit("--help")
    assert code == 0
    assert all(command in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(edgekit, command):
    code, out, _ = edgekit(command, "--help")
    assert code == 0
    assert f"edgekit {command}" in out.partition("Examples")[2]
