"""The name under which edgekit is published."""

import re
import tomllib
from pathlib import Path

from edgekit.errors import DISTRIBUTION

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# `edgekit` on the index is an unrelated project: neither it nor an extra of it may be what a reader installs.
INSTALLS_ANOTHER_PROJECT = re.compile(r"pip install [^\n`&;|]*?(?<![\w/.-])edgekit(?![\w-])")


def test_distribution_is_the_name_in_pyproject():
    assert PROJECT["name"] == DISTRIBUTION
    own = [line for lines in PROJECT["optional-dependencies"].values() for line in lines if line.startswith("edgekit")]
    assert own
    assert all(line.startswith(f"{DISTRIBUTION}[") for line in own)


def test_command_and_package_are_called_edgekit():
    assert list(PROJECT["scripts"]) == ["edgekit"]


def test_no_hint_installs_the_unrelated_project():
    texts = [*(ROOT / "edgekit").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    assert len(texts) > 100
    wrong = [path for path in texts if INSTALLS_ANOTHER_PROJECT.search(path.read_text(encoding="utf-8"))]
    assert wrong == []


def test_hints_of_the_unrelated_project_would_be_found():
    for hint in ("pip install edgekit", "pip install 'edgekit[train]'", "pip install -U edgekit"):
        assert INSTALLS_ANOTHER_PROJECT.search(hint), hint
    for hint in ("pip install edgekit-onnx", "pip install 'edgekit-onnx[train]'", "pip install . && edgekit predict"):
        assert not INSTALLS_ANOTHER_PROJECT.search(hint), hint


def test_ci_runs_every_python_that_the_classifiers_name():
    versions = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in PROJECT["classifiers"]]
    named = [match[1] for match in versions if match]
    (matrix,) = re.findall(r"python: \[(.*)\]", (ROOT / ".github/workflows/ci.yml").read_text())
    assert re.findall(r"[\d.]+", matrix) == named
    assert PROJECT["requires-python"] == f">={named[0]}"
