"""FIFOs, devices and sockets in place of each kind of file that commands read: one line at once, never a wait."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from made_images import encoded, quadrants
from made_models import tiny_model, write_tiny

WAIT_S = 20  # for one command; then its process ends, and the others run in another one
CHILD = f"""
import contextlib, faulthandler, io, json, os, sys
from edgekit.cli.main import main
for folder, command in json.loads(sys.argv[1]):
    faulthandler.dump_traceback_later({WAIT_S}, exit=True)
    os.chdir(folder)
    sys.argv, err = ["edgekit", *command], io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, err.getvalue()]), flush=True)
"""
# By what the file is for: its name, the command line, and the exit status.
READERS = {
    "model": ("m.onnx", "predict photo.png --model m.onnx", 4),
    "model to quantize": ("m.onnx", "quantize m.onnx --calibration data --samples 8 -o q.onnx", 4),
    "model to inspect": ("m.onnx", "inspect m.onnx", 4),
    "third-party model": ("m.onnx", "adopt m.onnx --labels labels.txt -o a.onnx", 4),
    "image": ("i.png", "predict i.png --model model.onnx", 3),
    "image to time": ("i.png", "bench model.onnx --image i.png", 1),
    "image of a folder": ("data/red/i.png", "evaluate model.onnx data", 3),
    "list": ("list.txt", "predict --list list.txt --model model.onnx", 1),
    "table": ("t.csv", "evaluate model.onnx t.csv", 1),
    "table of a folder": ("data/labels.csv", "evaluate model.onnx data", 1),
    "tar": ("t.tar", "evaluate model.onnx t.tar", 1),
    "zip": ("z.zip", "evaluate model.onnx z.zip", 1),
    "idx": ("idx/train-images-idx3-ubyte", "evaluate model.onnx idx", 1),
    "names beside a table": ("my_classes.txt", "evaluate model.onnx indexes.csv", 1),
    "truth": ("t.csv", "evaluate model.onnx data --truth t.csv", 1),
    "truth of a quantization": ("t.csv", "quantize model.onnx --calibration data --truth t.csv -o q.onnx", 1),
    "synonyms": ("map.csv", "evaluate model.onnx data --map map.csv", 1),
    "labels": ("l.txt", "adopt plain.onnx --labels l.txt -o a.onnx", 1),
    "labels of an export": ("l.json", "export lenet5 --weights weights.pth --labels l.json -o a.onnx", 1),
    "configuration": ("config.json", "adopt plain.onnx --config config.json -o a.onnx", 4),
    "recipe": ("r.toml", "train data --recipe r.toml", 1),
    "weights": ("w.pth", "train data --model lenet5 --weights w.pth --tune head", 4),
    "weights to export": ("w.pth", "export lenet5 --weights w.pth --labels labels.txt -o a.onnx", 4),
    "weights without torch": ("w.pth", "pull mobilenet_v2-imagenet --weights w.pth -o a.onnx", 4),
    "checkpoint": ("c.safetensors", "export c.safetensors -o a.onnx", 4),
    "predictions to resume": ("done.jsonl", "predict photo.png --model model.onnx --resume done.jsonl", 1),
}
KINDS = ("fifo", "endless", "socket")


def make_special(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    else:
        with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as server:  # its file outlives it
            server.bind(path.name)  # not the whole path, for which there is not always room


def make_files(folder: Path) -> None:
    """Write what the commands need besides the special file."""
    write_tiny(folder / "model.onnx")
    onnx.save(tiny_model(), folder / "plain.onnx")
    image = encoded(quadrants(), "PNG")
    for name in ("photo.png", "data/green/1.png", *(f"data/red/{number}.png" for number in range(8))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(image)
    (folder / "labels.txt").write_text("red\ngreen\nblue\nblack\n")
    (folder / "weights.pth").write_bytes(b"")
    (folder / "indexes.csv").write_text("file,class_index\nphoto.png,0\n")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Exit status and stderr of each command, by reader and kind; None and a traceback for one that did not end."""
    root = tmp_path_factory.mktemp("special")
    make_files(root / "good")
    commands = {}
    for kind in KINDS:
        for reader, (name, command, _) in READERS.items():
            folder = root / str(len(commands))
            shutil.copytree(root / "good", folder)
            make_special(folder / name, kind)
            commands[reader, kind] = (str(folder), command.split())
    results = []
    while len(results) < len(commands):
        arguments = json.dumps(list(commands.values())[len(results) :])
        child = subprocess.run([sys.executable, "-c", CHILD, arguments], capture_output=True, text=True, check=False)
        results += [json.loads(line) for line in child.stdout.splitlines()]
        if len(results) < len(commands):
            results.append((None, child.stderr))
    return dict(zip(commands, results, strict=True))


@pytest.mark.skipif(os.name == "nt", reason="files of POSIX")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_commands_refuse_special_files_at_once(outcomes, reader, kind):
    code, err = outcomes[reader, kind]
    name, _, status = READERS[reader]
    (error,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == status, err
    assert err.endswith(f"{error}\n")
    assert "Traceback" not in err
    assert Path(name).name in error
