"""A program frozen by PyInstaller with the hooks that the wheel contains."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from made_environments import ENVIRONMENT, ROOT, run

import edgekit
from edgekit._pyinstaller import get_hook_dirs

SHIP = ROOT / "examples/ship.png"
PROGRAM = """
import json
import sys

from edgekit import Classifier
from edgekit.runtime.doctor import check_up

checkup = check_up()
installation = checkup.facts["installation"]["kind"]
print(json.dumps({"label": Classifier().predict(sys.argv[1]).label, "healthy": checkup.healthy, "in": installation}))
"""


def test_hooks_are_in_the_folder_of_the_entry_point():
    (folder,) = map(Path, get_hook_dirs())
    assert folder == Path(edgekit.__file__).parent / "_pyinstaller"
    assert (folder / "hook-edgekit.py").is_file()


def test_wheel_contains_the_hooks_and_their_entry_point(wheel):
    archive = zipfile.ZipFile(wheel)
    (entry_points,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "[pyinstaller40]\nhook-dirs = edgekit._pyinstaller:get_hook_dirs" in archive.read(entry_points).decode()
    assert "edgekit/_pyinstaller/hook-edgekit.py" in archive.namelist()


@pytest.mark.slow
def test_frozen_program_predicts_without_torch(tmp_path):
    """In this environment, where torch is installed and must not get into the program."""
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "PyInstaller", "--log-level", "ERROR", "program.py"]
    subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, check=True, capture_output=True, timeout=300)
    folder = tmp_path / "dist/program"
    assert not [path.name for path in (folder / "_internal").iterdir() if path.name in ("torch", "onnx", "matplotlib")]
    assert json.loads(run(folder / "program", SHIP, cwd=folder)) == {
        "label": "ship",
        "healthy": True,
        "in": "frozen program",
    }
