"""The script that makes the files of an emulated Raspberry Pi."""

import os
import subprocess
import sys

import pytest
from made_environments import ENVIRONMENT, ROOT

_SCRIPT = ROOT / "scripts/make_arm64_root.py"


def test_missing_qemu_is_named_with_a_status_of_its_own(tmp_path):
    (tmp_path / "bin").mkdir()
    environment = {**ENVIRONMENT, "PATH": str(tmp_path / "bin")}
    command = (sys.executable, str(_SCRIPT), str(tmp_path / "arm64"))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (os.EX_UNAVAILABLE, "")
    assert done.stderr == "error: qemu-aarch64-static is not installed\n"
    assert not (tmp_path / "arm64").exists()


@pytest.mark.slow
def test_python_of_the_root_is_one_for_arm_that_starts_child_processes(pi5, tmp_path):
    program = "import platform, subprocess, sys; print(platform.machine(), sys.executable, flush=True)"
    done = pi5.run("-c", f"{program}; subprocess.run([sys.executable, '-c', {program!r}], check=True)", cwd=tmp_path)
    assert done.stdout.splitlines() == [f"aarch64 {pi5.python}"] * 2


@pytest.mark.slow
def test_root_is_kept_if_its_versions_are_those_wanted(make_board, pi5):
    stamp = pi5.python.parents[1] / "made_from.txt"
    before = stamp.stat().st_mtime_ns
    assert make_board("raspberry-pi-5") == pi5
    assert stamp.stat().st_mtime_ns == before
