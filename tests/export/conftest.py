"""What tests of conversions share."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import edgekit.export.simplify as simplify_module

WITHOUT_TORCH = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "onnxscript"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


@pytest.fixture
def unsimplified(monkeypatch: pytest.MonkeyPatch) -> None:
    """No simplifier, which would take seconds in a process of its own, where it is not what is tested."""
    monkeypatch.setattr(simplify_module, "_SIMPLIFIERS", {})


@pytest.fixture
def without_torch(tmp_path: Path) -> Callable[..., str]:
    """Run a command in tmp_path where neither it nor what it starts finds torch; what it says on stdout."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_TORCH)  # the first thing that every interpreter imports
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(Path(__file__).parents[2])))}

    def run(*arguments: object) -> str:
        command = [sys.executable, "-m", "edgekit", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
