"""How errors, closed pipes and terminals end a command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_models import write_tiny

SHIP = str(Path(__file__).parents[2] / "examples/ship.png")
ADOPTING = ("--labels", "l.txt", "--mean", "0.5", "--std", "0.5", "--resize", "14", "-o", "new.onnx")


def test_main_exits_2_for_an_unknown_option(edgekit):
    assert edgekit("predict", "--nonsense", SHIP)[0] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("predict", SHIP, "--model", "lenet5-mnits"), 4, "did you mean lenet5-mnist"),
        (("predict", SHIP, "--model", "missing.onnx"), 4, "missing.onnx"),
        (("predict", SHIP, "--model", SHIP), 4, "ship.png"),
        (("predict", SHIP, "--model", "lenet5-mnist", "--crops", "7"), 2, "unknown crop plan '7'"),
        (("inspect", "missing.onnx"), 4, "missing.onnx"),
        (("export", "mobilenet_v2", "-o", "x.onnx"), 2, "--weights"),
        (("export", "mobilenet_v2", "--weights", "imagenet", "-o", "x.onnx"), 2, "--labels"),
        (("export", "mobilenet_v2", "--weights", "imagenet", "--mean", "a,b", "-o", "x.onnx"), 2, "mean"),
        (("export", "mobilenet_v2", "--weights", "imagenet", "--argument", "x", "-o", "x.onnx"), 2, "NAME=VALUE"),
        (("export", "missing.safetensors", "-o", "x.onnx"), 4, "missing.safetensors"),
        (("export", "mobilenet_v3", "--weights", "w.pth", "--labels", "l.txt", "-o", "x.onnx"), 2, "mobilenet_v2"),
        (("export", "missing.onnx", "-o", "x.onnx"), 4, "missing.onnx"),
        (("export", "x.onnx", "--opset", "20", "--mean", "0.5", "-o", "y.onnx"), 2, "leave out --mean --opset"),
        (
            ("export", "x.onnx", "--batch", "0", "-o", "y.onnx"),
            2,
            "--batch must be dynamic or an integer from 1 to 256",
        ),
        (
            ("export", "x.onnx", "--batch", "many", "-o", "y.onnx"),
            2,
            "--batch must be dynamic or an integer from 1 to 256 (got 'many')",
        ),
        (("export", "x.onnx", "--format", "ort", "-o", "y.ort"), 2, "--output 'y.ort': the file to write must end"),
        (
            ("export", "x.onnx", "-o", "/dev/null/y.onnx"),
            1,
            "y.onnx: cannot be written: /dev/null is not a writable folder",
        ),
        (("adopt", "x.onnx", *ADOPTING[:-1], "y"), 2, "--output 'y': the file to write must end in .onnx"),
        (("quantize", "x.onnx", "--calibration", "x", "-o", "y.json"), 2, "the file to write must end in .onnx"),
        (("adopt", "x.onnx", *ADOPTING), 4, "x.onnx"),
        (("inspect", "missing.onnx", "--mobile"), 4, "missing.onnx"),
        (("train", "missing", "--model", "lenet5", "--run", "run"), 1, "missing"),
        (("quantize", "missing.onnx", "--calibration", "missing", "-o", "x.onnx"), 1, "missing"),
    ],
)
def test_main_reports_a_mistake_in_one_line(edgekit, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    exit_code, out, err = edgekit(*arguments)
    assert (exit_code, out) == (code, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_output_escapes_labels_that_would_steer_the_terminal(edgekit, tmp_path):
    labels = ("\x1b[31mred", "two\nlines", "\x07bell", "‮right to left")
    model = write_tiny(tmp_path / "evil.onnx", labels=labels)
    for command in (("predict", SHIP, "--model", model), ("inspect", model)):
        code, out, _ = edgekit(*command)
        assert code == 0
        assert not set("\x1b\x07‮") & set(out)
        assert "\\x1b[31mred" in out


def test_main_ends_quietly_when_its_pipe_is_closed(tiny_artifact):
    command = [sys.executable, "-m", "edgekit", "predict", *[SHIP] * 50, "--model", str(tiny_artifact)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1


def test_main_writes_to_an_ascii_terminal(tiny_artifact):
    command = [sys.executable, "-m", "edgekit", "predict", SHIP, "--model", str(tiny_artifact)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="redirections of POSIX shells")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_main_treats_closed_streams_as_empty_ones(tiny_artifact, closed):
    command = [sys.executable, "-m", "edgekit", "predict", SHIP, "--model", str(tiny_artifact)]
    done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (done.stdout == "") == (">&-" in closed.split())
