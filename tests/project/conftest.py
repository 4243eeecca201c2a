"""A wheel, and environments in which it is installed as users install it. Tests do not change them."""

import sys
from pathlib import Path

import pytest
from made_environments import ROOT, install, link_packages, make_environment, run


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def installed_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which the wheel was installed, with what it requires and no extra."""
    python = make_environment(tmp_path_factory.mktemp("installed"))
    install(python, wheel)
    return python


@pytest.fixture(scope="session")
def bare_python(installed_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with what edgekit requires, but with neither edgekit nor its metadata."""
    python = make_environment(tmp_path_factory.mktemp("bare"))
    link_packages(installed_python, python, without="edgekit*")
    return python
