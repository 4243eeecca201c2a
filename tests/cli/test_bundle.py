"""`edgekit bundle`: the command line of write_bundle."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHIP = Path(__file__).parents[2] / "examples/ship.png"


@pytest.fixture
def model(tiny_artifact, tmp_path) -> Path:
    return Path(shutil.copy(tiny_artifact, tmp_path / "tiny.onnx"))


def test_bundle_prints_its_files_and_a_self_test_that_passes(edgekit, model, tmp_path):
    folder = tmp_path / "my pi"
    code, out, err = edgekit("bundle", model, "--for", "python", "-o", folder, "--count", 3)
    assert code == 0, err
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[2:-1]] == [
        *("LICENSE.txt", "README.md", "bundle.json", "classify.pyz", "golden/"),
        *("requirements.txt", "tiny.golden.bin", "tiny.golden.json", "tiny.json"),
    ]
    assert "golden/ (3 files)" in out
    assert lines[-1].startswith(f"{folder}: 11 files, ")
    wrote, _, command = err.strip().partition("; next: ")
    assert wrote == f"wrote {folder}"
    program, *arguments = shlex.split(command)
    assert program == "python"
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("passed  ")) == (0, 4), done.stdout + done.stderr


def test_bundle_uses_the_images_of_data_and_prints_json(edgekit, model, tmp_path):
    (tmp_path / "photos").mkdir()
    shutil.copy(SHIP, tmp_path / "photos")
    folder = tmp_path / "pi"
    code, out, _ = edgekit("bundle", model, "--for", "python", "-o", folder, "--data", tmp_path / "photos", "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["schema"], document["platform"], document["folder"]) == (1, "python", str(folder))
    assert document["files"]["golden/tiny-0.jpg"] == (folder / "golden/tiny-0.jpg").stat().st_size
    golden = json.loads((folder / "tiny.golden.json").read_text())
    assert [vector["image"] for vector in golden["vectors"]] == ["ship.png"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("MODEL", "-o", "OUT"), 2, "--for is required"),
        (("MODEL", "--for", "python"), 2, "--output is required"),
        (("MODEL", "--for", "windows", "-o", "OUT"), 2, "--for must be web, node, android, ios, python or"),
        (("MODEL", "--for", "web", "--bench", "-o", "OUT"), 2, "--bench needs --for python (got 'web')"),
        (("MODEL", "--for", "ios", "--runtime", "X", "-o", "OUT"), 2, "--runtime is not for ios"),
        (("MODEL", "MODEL", "--for", "node", "-o", "OUT"), 2, "only with --bench it may have several"),
        (("MODEL", "--for", "python", "-o", "."), 2, "is the current folder or above it"),
        (("MODEL", "--for", "python", "-o", "FULL"), 2, "is not empty, and not a bundle of edgekit"),
        (("MODEL", "--for", "python", "-o", "MODEL"), 2, "tiny.onnx: is a file"),
        (("MODEL", "--for", "python", "-o", "OUT", "--count", "0"), 2, "--count must be an integer from 1 to 1000"),
        (("MODEL", "--for", "python", "-o", "OUT", "--data", "absent"), 1, "absent"),
        (("absent.onnx", "--for", "python", "-o", "OUT"), 4, "absent.onnx: cannot be opened"),
        (("weights.pth", "--for", "python", "-o", "OUT"), 4, "is a PyTorch checkpoint; run `edgekit export"),
    ],
)
def test_bundle_reports_mistakes_in_one_line(mistake, model, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("")
    (tmp_path / "weights.pth").write_bytes(b"")
    places = {"MODEL": model, "OUT": tmp_path / "out", "FULL": tmp_path / "full"}
    status, err = mistake("bundle", *(places.get(argument, argument) for argument in arguments))
    assert (status, message in err) == (code, True), err
    assert not (tmp_path / "out").exists()
