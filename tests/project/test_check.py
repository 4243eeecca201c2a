"""scripts/check.py: what it runs, and that it fails."""

import importlib.util
import os
import subprocess
import sys

import pytest
from made_environments import ROOT

SPEC = importlib.util.spec_from_file_location("check", ROOT / "scripts/check.py")
check = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check)


def test_everything_is_measured_and_has_a_floor():
    commands = check.commands([])
    assert list(commands) == [*check.CHECKS, "tests", "coverage"]
    assert commands["tests"][1:] == ("-m", "coverage", "run", "-m", "pytest")


def test_fast_leaves_out_slow_rooms_that_exist():
    commands = check.commands(["--fast", "-q"])
    assert list(commands) == [*check.CHECKS, "tests"]
    assert {"-m", "not slow", "-q"} <= set(commands["tests"])
    for room in check.SLOW_ROOMS:
        assert (ROOT / "tests" / room).is_dir()
        assert f"--ignore=tests/{room}" in commands["tests"]


def test_long_loads_a_profile_of_hypothesis():
    assert check.commands(["--long"])["tests"][-1] == "--hypothesis-profile=long"


def test_further_arguments_go_to_pytest_in_their_order():
    assert check.commands(["tests/image", "-k", "jpeg"])["tests"][1:] == ("-m", "pytest", "tests/image", "-k", "jpeg")


def test_fast_and_long_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        check.commands(["--fast", "--long"])
    assert "not allowed with" in capsys.readouterr().err


def test_main_runs_every_check_and_fails_if_one_did(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", os.environ["PATH"])  # so that it is restored: main changes it
    monkeypatch.setattr(sys, "argv", ["check.py"])
    commands = {"bad": (sys.executable, "-c", "raise SystemExit(3)"), "good": (sys.executable, "-c", "")}
    monkeypatch.setattr(check, "commands", lambda arguments: commands)
    with pytest.raises(SystemExit) as caught:
        check.main()
    assert caught.value.code == 1
    summary = [line.split() for line in capsys.readouterr().out.splitlines()[-2:]]
    assert [(state, name) for state, _, _, name in summary] == [("FAILED", "bad"), ("ok", "good")]


def test_coverage_below_the_floor_fails(tmp_path):
    """An import alone covers next to nothing of the package."""
    data = f"--data-file={tmp_path / 'coverage'}"
    (tmp_path / "program.py").write_text("import edgekit\n")
    command = [sys.executable, "-m", "coverage"]
    subprocess.run([*command, "run", data, str(tmp_path / "program.py")], cwd=ROOT, check=True, timeout=60)
    report = subprocess.run(
        [*command, "report", data], cwd=ROOT, check=False, capture_output=True, text=True, timeout=60
    )
    assert report.returncode == 2
    assert "less than fail-under" in report.stdout + report.stderr
