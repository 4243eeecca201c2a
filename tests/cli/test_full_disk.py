"""On a full disk, commands end in one line and leave neither a part of a new file nor another old one."""

import json
from pathlib import Path

import pytest
from made_disk import full_disk
from PIL import Image

ROOM = 300  # bytes; every file that the commands write is larger


@pytest.fixture
def folder(tmp_path, monkeypatch, tiny_artifact):
    monkeypatch.chdir(tmp_path)
    Path("model.onnx").write_bytes(tiny_artifact.read_bytes())
    for name, value in (("red", 0), ("green", 90), ("blue", 150), ("black", 255)):
        Path("data", name).mkdir(parents=True)
        Image.new("RGB", (12, 12), (value,) * 3).save(Path("data", name, "1.png"))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ("predict data --model model.onnx --save saved", "saved/1.jpg"),
        ("evaluate model.onnx data --report report.html", "report.html"),
        ("crops model.onnx data --halves 1 --plot crops.svg", "crops.svg"),
        ("pull lenet5-mnist -o pulled.onnx", "pulled.onnx"),
        ("train data --model lenet5 --val-fraction 0.5 --allow-leaks --preview preview.png", "preview.png"),
    ],
)
def test_commands_leave_no_part_of_a_file_on_a_full_disk(edgekit, folder, arguments, output):
    for color in ("red", "green", "blue", "black"):
        Image.new("RGB", (12, 12), color).save(Path("data", color, "2.png"))
    before = set(folder.rglob("*"))
    with full_disk(ROOM):
        code, _, err = edgekit(*arguments.split())
    assert code == 1, err
    assert err.splitlines()[-1] == f"error: {output}: cannot be written: File too large"
    assert {path for path in folder.rglob("*") if path.is_file()} == {path for path in before if path.is_file()}
    code, _, err = edgekit(*arguments.split())
    assert code == 0, err
    assert Path(output).stat().st_size > ROOM


def test_resume_leaves_whole_lines_on_a_full_disk(edgekit, folder):
    command = ("predict", "data", "--model", "model.onnx", "--resume", "done.jsonl")
    with full_disk(600):
        code, _, err = edgekit(*command)
    assert code == 1
    assert err.splitlines()[-1] == "error: done.jsonl: cannot be written: File too large"
    text = Path("done.jsonl").read_text()
    assert text.endswith("\n")
    assert 0 < len([json.loads(line) for line in text.splitlines()]) < 4
    assert edgekit(*command)[0] == 0
    assert len(Path("done.jsonl").read_text().splitlines()) == 4
