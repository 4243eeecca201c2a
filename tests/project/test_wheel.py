"""What a wheel carries: the package, the shipped models, and nothing else."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edgekit.hub.shipped import shipped_models

ROOT = Path(__file__).parents[1]
MODEL_FILES = {".onnx", ".json", ".toml", ".md"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return next(folder.glob("*.whl"))


def test_holds_the_package_and_the_models_and_nothing_else(wheel):
    names = [Path(name) for name in zipfile.ZipFile(wheel).namelist()]
    package = [name for name in names if not name.parts[0].endswith(".dist-info")]
    assert {name.parts[0] for name in package} == {"edgekit"}
    models = [name for name in package if name.parts[1] == "models"]
    assert {name.stem for name in models if name.suffix == ".onnx"} == set(shipped_models())
    assert {name.suffix for name in models} == MODEL_FILES
    assert {name.suffix for name in package if name not in models} <= {".py", ".typed", ".css"}
    sources = {path.relative_to(ROOT) for path in (ROOT / "edgekit").rglob("*.py")}
    assert {name for name in package if name.suffix == ".py"} == sources
    assert Path("edgekit/py.typed") in package


def test_is_small(wheel):
    assert wheel.stat().st_size < 8e6


def test_installed_package_finds_its_models_outside_of_a_source_tree(wheel, tmp_path):
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    zipfile.ZipFile(wheel).extractall(installed)
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    code = "import edgekit; print(edgekit.__file__); print(edgekit.Classifier('lenet5-mnist').info.model)"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=elsewhere, env=environment, check=True, capture_output=True, text=True
    )
    assert answer.stdout.split() == [str(installed / "edgekit/__init__.py"), "lenet5"]
