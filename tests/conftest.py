"""Fixtures for all tests: the real data, torchvision as a peer, a tiny model, processes without torch."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

# No deadline for one example: these machines are shared, and a slow one is no failure.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

WITHOUT_TORCH = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "onnxscript"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""
SHARED = Path(os.environ.get("EDGEKIT_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and weights; tests that need it skip where it is absent (a stranger's clone)."""
    if not SHARED.is_dir():
        pytest.skip("the real data is not here; set EDGEKIT_SHARED to its folder")
    return SHARED


@pytest.fixture(scope="session")
def torchvision_models() -> ModuleType:
    """torchvision.models, with whose networks and published figures ours are compared."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed; run: pip install --no-deps torchvision")
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError:  # the compiled part of its wheel does not load beside a torch without CUDA
        import torch  # here, because most tests go without it

        # The Python part, all that is needed, wants only these two operators to be known.
        global _operators  # must outlive the import
        _operators = torch.library.Library("torchvision", "FRAGMENT")
        for boxes in ("nms", "qnms"):
            _operators.define(f"{boxes}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return importlib.import_module("torchvision.models")


@pytest.fixture(scope="session")
def tiny_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .onnx artifact of a few kB whose answers tests/made/made_models.py computes with numpy. Do not change it."""
    from made_models import write_tiny  # here, because it needs the onnx package and most tests go without it

    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.onnx")


@pytest.fixture
def unsimplified(monkeypatch: pytest.MonkeyPatch) -> None:
    """No simplifier, which would take seconds in a process of its own, where it is not what is tested."""
    import edgekit.export.simplify as simplify_module

    monkeypatch.setattr(simplify_module, "_SIMPLIFIERS", {})


@pytest.fixture
def without_torch(tmp_path: Path) -> Callable[..., str]:
    """Run a command in tmp_path where neither it nor what it starts finds torch; what it says on stdout."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_TORCH)  # the first thing that every interpreter imports
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(Path(__file__).parents[1])))}

    def run(*arguments: object) -> str:
        command = [sys.executable, "-m", "edgekit", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
