"""A user's program against the installed wheel: type checkers find neither errors nor Any from edgekit, and it runs."""

import json
import sys
from pathlib import Path

import pytest
from made_environments import ROOT, install, make_environment, run

PROGRAM = Path(__file__).parent / "typed_program.py"
SHIP = ROOT / "examples/ship.png"


@pytest.fixture(scope="module")
def basedpyright(tmp_path_factory) -> Path:
    """The Python of an environment with basedpyright, whose Node.js makes it too large for the extra `dev`."""
    python = make_environment(tmp_path_factory.mktemp("basedpyright"))
    install(python, "basedpyright")
    return python


def test_program_passes_mypy_strict(installed_python, tmp_path):
    options = ("--strict", "--warn-unreachable", "--disallow-any-unimported", "--cache-dir", tmp_path)
    out = run(sys.executable, "-m", "mypy", *options, "--python-executable", installed_python, PROGRAM, cwd=tmp_path)
    assert out == "Success: no issues found in 1 source file\n"


@pytest.mark.slow
def test_program_passes_pyright_without_any(installed_python, basedpyright, tmp_path):
    rules = {"typeCheckingMode": "strict", "reportAny": "error", "reportMissingTypeStubs": "error"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(rules))
    (tmp_path / PROGRAM.name).write_bytes(PROGRAM.read_bytes())
    command = (basedpyright, "-m", "basedpyright", "--pythonpath", installed_python, "--outputjson", PROGRAM.name)
    report = json.loads(run(*command, cwd=tmp_path))
    assert report["generalDiagnostics"] == []
    assert report["summary"]["filesAnalyzed"] == 1


def test_checkers_would_find_a_mistake(installed_python, tmp_path):
    program = tmp_path / PROGRAM.name
    program.write_text(PROGRAM.read_text().replace("threads=1", "threads='one'"))
    options = ("--strict", "--cache-dir", tmp_path)
    with pytest.raises(AssertionError, match=r"""Argument "threads" to "Classifier" has incompatible type "str\""""):
        run(sys.executable, "-m", "mypy", *options, "--python-executable", installed_python, program, cwd=tmp_path)


def test_program_runs(installed_python, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"broken")
    lines = run(installed_python, PROGRAM, SHIP, "broken.png", cwd=tmp_path).splitlines()
    assert lines[0].startswith("Apache-2.0 10 ship 9")
    assert lines[1:] == [f"{SHIP} ship", "broken.png unreadable", "ship"]
