"""A short run of every fuzzer in scripts/; `python scripts/fuzz_*.py` and `kill_writers.py` run the long ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
PLANTED = """
import os, random, time
from fuzzing import Limits, main
from edgekit.errors import ImageError

NUMBERS = {random.Random(f"0/{number}").random(): number for number in range(8)}
kept = []

def trial(rng):
    number = NUMBERS[rng.random()]
    if number == 1:
        raise ImageError("expected")
    if number == 2:
        raise KeyError("planted")
    if number == 3:
        time.sleep(60)
    if number == 4:
        os._exit(7)
    if number == 5:
        kept.append(b"x" * (700 * 2**20))

def prepare(folder):
    return trial

if __name__ == "__main__":
    main("", prepare, count=8, limits=Limits(seconds=3))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count"),
    [("images", 1000), ("models", 300), ("archives", 300), ("tables", 300), ("commands", 40), ("serve", 120)],
)
def test_fuzzer_finds_nothing(name, count):
    command = [sys.executable, SCRIPTS / f"fuzz_{name}.py", "--count", str(count), "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert f"{count} cases" in done.stdout


GOOD_LINES = """
import os, sys
from pathlib import Path
from fuzz_commands import COMMANDS, GOOD, check, make_files

folder = Path(sys.argv[1])
make_files(folder / "files")
os.chdir(folder / "files")
os.environ |= {"EDGEKIT_HOME": str(folder / "home"), "EDGEKIT_OFFLINE": "1"}
assert GOOD.keys() == COMMANDS.keys(), GOOD.keys() ^ COMMANDS.keys()
for name, lines in GOOD.items():
    for line in lines:
        check([name, *line.split()], frozenset({0}), folder / "streams")
"""


@pytest.mark.slow
def test_fuzz_commands_starts_from_command_lines_that_succeed(tmp_path):
    """Otherwise it would try mistakes only."""
    command = [sys.executable, "-c", GOOD_LINES, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(SCRIPTS)})
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_commands_killed_at_any_moment_leave_whole_files_and_can_be_run_again():
    command = [sys.executable, SCRIPTS / "kill_writers.py", "predict", "adopt", "--kills", "3", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert [line.split(" ")[:3] for line in done.stdout.splitlines()] == [
        ["predict:", "3", "kills"],
        ["adopt:", "3", "kills"],
    ]


def test_fuzz_reports_exceptions_hangs_deaths_and_memory(tmp_path):
    """The harness finds what it looks for, and goes on after it."""
    (tmp_path / "planted.py").write_text(PLANTED)
    command = [sys.executable, tmp_path / "planted.py", "--count", "8"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(SCRIPTS)})
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.split(": ", 1)[1] for line in lines[:4]] == [
        "KeyError in trial: 'planted'",
        "hang: more than 3 s",
        "killed: exit code 7",
        lines[3].split(": ", 1)[1],
    ]
    assert [line.split()[1] for line in lines[:4]] == ["2", "3", "4", "5"]
    assert "memory" in lines[3]
    assert lines[4].endswith("4 findings")
