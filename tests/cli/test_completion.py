"""Shell completion: the scripts that `edgekit --show-completion` prints, and what they offer."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

SHELLS = ("bash", "zsh", "fish")
PROGRAMS = Path(sysconfig.get_path("scripts"))
WAIT_S = 120  # for processes on a busy machine
BASH = """
edgekit --install-completion
source ~/.bashrc
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_edgekit_completion edgekit
echo "offered: ${COMPREPLY[@]}"
"""


def run(*command, **environment):
    """The stdout of a command that has to succeed without a message."""
    path = os.pathsep.join((str(PROGRAMS), os.environ["PATH"]))
    environment = {**os.environ, "PATH": path, **environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_S)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("edgekit", "pre"), "predict"),
        (("edgekit", "predict", "--model"), "--model --model-weights"),
        (("edgekit", "nothing-like-this"), ""),
    ],
)
def test_completion_installed_in_bash_offers_commands_and_options(tmp_path, words, offered):
    out = run("bash", "-c", BASH, "bash", *words, HOME=str(tmp_path))
    assert "bash completion installed in" in out
    assert out.splitlines()[-1] == f"offered: {offered}"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("edgekit qua", {"quantize"}),
        ("edgekit quantize --min", {"--min-speedup", "--min-agreement"}),
        ("edgekit adopt --layout n", {"nchw", "nhwc"}),
    ],
)
def test_completion_offers_commands_options_and_choices_in_every_shell(shell, line, offered):
    out = run(
        PROGRAMS / "edgekit",
        _EDGEKIT_COMPLETE=f"complete_{shell}",
        COMP_WORDS=line,  # as the script of bash passes the line
        COMP_CWORD=str(line.count(" ")),
        _TYPER_COMPLETE_ARGS=line,  # as those of zsh and fish do
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )
    assert all(word in out for word in offered)
    assert "evaluate" not in out


@pytest.mark.parametrize("shell", SHELLS)
def test_show_completion_prints_the_script_of_every_shell(shell):
    out = run(PROGRAMS / "edgekit", "--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert f"_EDGEKIT_COMPLETE=complete_{shell}" in out
