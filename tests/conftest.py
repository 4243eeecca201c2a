"""Fixtures for all tests: shared data sets, torchvision for comparison, a tiny model, a process without torch."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

# No deadline per example: test machines are shared, and being slow is not a failure.
settings.register_profile("shared", deadline=None)
settings.register_profile("long", deadline=None, max_examples=2000)  # scripts/check.py --long; 100 by default
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


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Models and weights are stored in a folder of the test run, not in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("EDGEKIT_MODEL", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Ctrl-C reaches the tests' processes, also in the background of a shell, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and weights. Tests that need it are skipped where it is absent, as in a fresh clone."""
    if not SHARED.is_dir():
        pytest.skip("shared data sets not found; set EDGEKIT_SHARED to their folder")
    return SHARED


@pytest.fixture(scope="session")
def torchvision_models() -> ModuleType:
    """torchvision.models, whose networks and published figures ours are compared with."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed; run: pip install --no-deps torchvision")
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError:  # the compiled part of its wheel does not load with a torch built without CUDA
        import torch  # here, because most tests do not need it

        # Only the Python part is needed, and that only requires these two operators to be registered.
        global _operators  # has to outlive the import
        _operators = torch.library.Library("torchvision", "FRAGMENT")
        for boxes in ("nms", "qnms"):
            _operators.define(f"{boxes}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return importlib.import_module("torchvision.models")


@pytest.fixture(scope="session")
def tiny_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of a few kB whose logits tests/made/made_models.py computes with numpy. Do not modify it."""
    from made_models import write_tiny  # here, because it needs the onnx package, which most tests do not

    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.onnx")


@pytest.fixture
def unsimplified(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable the simplifier, which takes seconds in a separate process, in tests of other features."""
    simplify_module = importlib.import_module("edgekit.export.simplify")  # `edgekit.export.simplify` is a function
    monkeypatch.setattr(simplify_module, "_SIMPLIFIERS", {})


@pytest.fixture
def without_torch(tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs a command in tmp_path without access to torch, and returns its stdout."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_TORCH)  # imported by every interpreter at its start
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(Path(__file__).parents[1])))}

    def run(*arguments: object) -> str:
        command = [sys.executable, "-m", "edgekit", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
