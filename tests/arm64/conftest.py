"""Raspberry Pis that QEMU emulates; tests that need one are skipped where it cannot be made."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from made_environments import ENVIRONMENT, ROOT

_MAKE = ROOT / "scripts/make_arm64_root.py"
_FOLDER_VARIABLE = "EDGEKIT_ARM64_ROOT"  # a folder that is kept between test runs


class Board(NamedTuple):
    """An emulated board. python: what runs Python programs on it, path and all."""

    python: Path

    def run(self, *arguments: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Python on the board with further environment variables."""
        command = [str(self.python), *map(str, arguments)]
        return self._run(command, cwd, variables)

    def shell(self, script: str, *, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a bash script in which python3 is that of the board."""
        path = os.pathsep.join((str(self.python.parent), ENVIRONMENT["PATH"]))
        return self._run(["bash", "-euo", "pipefail", "-c", script], cwd, {"PATH": path})

    def _run(self, command: list[str], cwd: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        environment = {**ENVIRONMENT, "EDGEKIT_HOME": str(cwd / "edgekit-home"), **variables}
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=900, check=False
        )


@pytest.fixture(scope="session")
def make_board(tmp_path_factory) -> Iterator[Callable[[str], Board]]:
    """A function: the board of this name. Its folder is made once."""
    folder = os.environ.get(_FOLDER_VARIABLE) or tmp_path_factory.mktemp("arm64")

    def make(name: str) -> Board:
        done = subprocess.run(
            (sys.executable, str(_MAKE), str(folder), "--board", name), capture_output=True, text=True, check=False
        )
        if done.returncode == os.EX_UNAVAILABLE:
            pytest.skip(f"no emulated {name}: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        return Board(Path(done.stdout.strip()))

    return make


@pytest.fixture(scope="session")
def pi5(make_board) -> Board:
    """A Raspberry Pi 5, whose Cortex-A76 multiplies bytes in dot products."""
    return make_board("raspberry-pi-5")


@pytest.fixture(scope="session")
def pi4(make_board) -> Board:
    """A Raspberry Pi 4, whose Cortex-A72 does not."""
    return make_board("raspberry-pi-4")
