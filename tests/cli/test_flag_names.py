"""Names of the library's arguments in messages become flags."""

import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.cli.flag_names import with_flags

SHIP = str(Path(__file__).parents[2] / "examples/ship.png")


@pytest.mark.parametrize(
    ("command", "message", "expected"),
    [
        ("quantize", "`max_drop` must be a number (got nan)", "--max-drop must be a number (got nan)"),
        ("quantize", "`try_all` and `target`", "--all and --target"),  # a flag that is not named like its argument
        ("train", "`mirror` and `tune`", "--mirror and --tune"),  # options that are generated from the recipe
        ("train", "`data`: no such folder", "DATA: no such folder"),
        ("predict", "`plan` 'adaptive'", "--crops 'adaptive'"),  # the option that sets the argument has another name
        ("predict", "`images` must be a list", "IMAGE... must be a list"),
        ("predict", "run `edgekit export FILE` first; `max_drop`", "run `edgekit export FILE` first; `max_drop`"),
        ("predict", "no name at all", "no name at all"),
        ("--version", "`top`", "`top`"),
    ],
)
def test_with_flags_replaces_the_arguments_of_the_command_alone(command, message, expected):
    assert with_flags(message, command) == expected


def test_errors_of_predict_name_flags_without_importing_typer(tiny_artifact):
    code = "import sys; from edgekit.cli.main import main; sys.argv[0] = 'edgekit'\n"
    code += "try: main()\nfinally: print(sorted({'typer', 'rich', 'pydantic'} & set(sys.modules)))"
    command = [sys.executable, "-c", code, "predict", SHIP, "--model", str(tiny_artifact), "--unknown-below", "2"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr == "error: --unknown-below must be a probability from 0 to 1 (got 2.0)\n"
    assert (done.returncode, done.stdout) == (2, "[]\n")


def test_errors_of_images_name_flags_in_every_form(edgekit, tiny_artifact):
    command = ("predict", SHIP, "--model", tiny_artifact, "--max-bytes", 10)
    for form, stream in ((), 2), (("--json",), 1), (("--csv",), 1):
        assert "raise --max-bytes" in edgekit(*command, *form)[stream]


def test_errors_of_typer_commands_name_flags(mistake, tmp_path):
    code, err = mistake("train", tmp_path, "--model", "lenet5", "--momentum", "1.5")
    assert (code, err) == (2, "error: --momentum must be from 0 to below 1 (got 1.5)\n")
