"""Virtual environments for tests of what users install."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What is set for Python or edgekit while tests run is not in a user's environment.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EDGEKIT"))}
TIMEOUT_S = 300


def run(*command: object, cwd: Path) -> str:
    """The command's standard output; an AssertionError with both outputs if it fails."""
    arguments, environment = list(map(str, command)), {**ENVIRONMENT, "EDGEKIT_HOME": str(cwd / "edgekit-home")}
    done = subprocess.run(
        arguments, cwd=cwd, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make_environment(folder: Path) -> Path:
    """A new virtual environment without pip; its Python."""
    venv.create(folder)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(python: Path, *requirements: object) -> None:
    """Install for another Python, in the versions that the tests run with."""
    pip = ("-m", "pip", "-q", "--python", python, "install", "-c", ROOT / "constraints.txt")
    run(sys.executable, *pip, *requirements, cwd=ROOT)


def link_packages(source: Path, target: Path, *, without: str) -> None:
    """Give the environment of the Python `target` the packages of `source`, as hard links."""
    ignore = shutil.ignore_patterns(without)
    folders = (_packages(source), _packages(target))
    shutil.copytree(*folders, ignore=ignore, copy_function=os.link, dirs_exist_ok=True)


def _packages(python: Path) -> str:
    return run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=ROOT).strip()
