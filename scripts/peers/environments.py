"""An environment of its own for each library, beside the torch that is installed already."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
REQUIREMENTS = {
    "torchvision": ("torchvision",),
    "timm": ("timm",),
    "hugging_face": ("transformers",),
    "keras": ("keras", "tensorflow-cpu", "tf2onnx"),
    "keras_torch": ("keras",),
    "ultralytics": ("ultralytics",),
    "litserve": ("litserve",),
    "schemathesis": ("schemathesis",),
}
VARIABLES = {
    "keras": {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
    "keras_torch": {"KERAS_BACKEND": "torch"},
}


class InstallError(Exception):
    """A library cannot be installed."""


def environment_python(library: str, folder: Path) -> Path:
    """Make the environment of a library, unless it is there, and return its Python.

    It sees the packages of this interpreter's environment, which spares a second torch; those that the library requires
    and that are not there are installed in the versions of both constraints files.

    Raises:
        InstallError: pip failed.
    """
    done = folder / "requirements.txt"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    requirements = "\n".join(REQUIREMENTS[library])
    if done.is_file() and done.read_text() == requirements:
        return python
    venv.create(folder, clear=True)
    packages = next(folder.rglob("site-packages"))
    (packages / "parent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    constraints = [f"-c{ROOT / name}" for name in ("constraints.txt", "constraints-peers.txt")]
    pip = (sys.executable, "-m", "pip", "-q", "--python", python, "install", *constraints)
    result = subprocess.run([*pip, *REQUIREMENTS[library]], capture_output=True, text=True, check=False)
    if result.returncode:
        raise InstallError(result.stderr.strip().splitlines()[-1])
    done.write_text(requirements)
    return python


def run_in(library: str, python: Path, *arguments: object) -> int:
    """Run a Python of an environment with arguments; what it prints is shown. Returns its exit status."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "PYTHONWARNINGS": "ignore"}
    command = [str(python), *map(str, arguments)]
    return subprocess.run(command, env={**environment, **VARIABLES.get(library, {})}, check=False).returncode
