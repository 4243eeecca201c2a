"""What a command writes is never what it reads, nor a file of another kind."""

from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in (("red", 0), ("green", 90)):
        Path("data", name).mkdir(parents=True)
        Image.new("RGB", (12, 12), (value,) * 3).save(Path("data", name, "1.png"))
    Path("labels.csv").write_text("file,label\ndata/red/1.png,red\n")
    return "data"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("evaluate m.onnx data --report m.onnx", "--report 'm.onnx': the file to write must end in .html, .htm"),
        (
            "evaluate m.onnx labels.csv --report labels.csv",
            "--report 'labels.csv': the file to write must end in .html",
        ),
        ("evaluate m.onnx data --report link.html", "--report 'link.html': the file to write must end in .html"),
        ("quantize m.onnx --calibration data -o m.onnx", "--output 'm.onnx': would replace the input file"),
        ("quantize m.onnx --calibration data -o ./data/../m.onnx", "would replace the input file"),
        ("quantize m.onnx --calibration data -o alias.onnx", "--output 'alias.onnx': would replace the input file"),
        ("crops m.onnx data -o m.onnx", "--output 'm.onnx': would replace the input file"),
        ("crops m.onnx data --plot labels.csv", "--plot 'labels.csv': the file to write must end in .png, .svg, .pdf"),
        ("bench m.onnx --plot m.onnx", "--plot 'm.onnx': the file to write must end in .png"),
        (
            "train data --model lenet5 --preview labels.csv",
            "--preview 'labels.csv': the file to write must end in .png",
        ),
        ("pull lenet5-mnist -o labels.csv", "--output 'labels.csv': the file to write must end in .onnx"),
    ],
)
def test_commands_refuse_to_overwrite_inputs_and_other_kinds_of_files(mistake, data, tiny_artifact, arguments, message):
    Path("m.onnx").write_bytes(tiny_artifact.read_bytes())
    Path("link.html").symlink_to("labels.csv")
    Path("alias.onnx").symlink_to("m.onnx")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    code, line = mistake(*arguments.split())
    assert code == 2
    assert message in line
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_evaluate_replaces_an_older_report(edgekit, data, tiny_artifact):
    Path("report.html").write_text("old")
    assert edgekit("evaluate", tiny_artifact, data, "--report", "report.html")[0] == 0
    assert "<html" in Path("report.html").read_text()
