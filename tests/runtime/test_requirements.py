"""The table of requirements is pyproject's, and versions are known without pip's metadata."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import PIL
import pytest
from packaging.requirements import Requirement

from edgekit.errors import DISTRIBUTION
from edgekit.runtime import requirements
from edgekit.runtime.requirements import BASE, EXTRAS, installed_version

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
FOR_CONTRIBUTORS = {"dev", "docs"}


def lowest_versions(lines):
    """Distribution: lowest version, for requirements each with one >=; our own extras are replaced by theirs."""
    table = {}
    for requirement in map(Requirement, lines):
        if requirement.name == DISTRIBUTION:
            for extra in requirement.extras:
                table |= lowest_versions(PROJECT["optional-dependencies"][extra])
        else:
            (bound,) = requirement.specifier
            assert bound.operator == ">="
            table[requirement.name] = bound.version
    return table


def test_requirements_are_those_of_pyproject():
    assert lowest_versions(PROJECT["dependencies"]) == BASE
    extras = {name: lowest_versions(lines) for name, lines in PROJECT["optional-dependencies"].items()}
    assert {name: lines for name, lines in extras.items() if name not in FOR_CONTRIBUTORS} == EXTRAS


def test_installed_version_is_read_from_the_module_without_metadata(monkeypatch):
    expected = {name: version(name) for name in BASE}

    def no_metadata(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(requirements, "version", no_metadata)
    assert {name: installed_version(name) for name in BASE} == expected
    assert (installed_version("numpy"), installed_version("pillow")) == (np.__version__, PIL.__version__)


@pytest.mark.parametrize("name", ["no-such-distribution", "no_such_distribution"])
def test_installed_version_is_none_for_what_is_not_installed(name):
    assert installed_version(name) is None
