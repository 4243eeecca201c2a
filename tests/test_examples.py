"""The examples run unchanged."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

import edgekit
from edgekit import Classifier

EXAMPLES = Path(__file__).parents[1] / "examples"
SHIP = EXAMPLES / "ship.png"
WAIT_S = 120


def test_sort_images_copies_images_to_folders_of_their_labels(tmp_path, tiny_artifact):
    images, target = tmp_path / "images", tmp_path / "sorted"
    images.mkdir()
    (images / "a.png").write_bytes(SHIP.read_bytes())
    (images / "b.png").write_bytes(b"broken")
    command = [sys.executable, str(EXAMPLES / "sort_images.py"), str(images), str(target), str(tiny_artifact)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=WAIT_S)
    label = Classifier(tiny_artifact).predict(SHIP).label
    assert [path.relative_to(target).as_posix() for path in target.rglob("*.png")] == [f"{label}/a.png"]
    assert "b.png" in done.stderr


STUB_CV2 = """
import numpy as np

class VideoCapture:
    def __init__(self, number): pass
    def read(self): return True, np.full((30, 40, 3), (255, 0, 0), np.uint8)  # blue, in BGR
    def release(self): pass
"""
STUB_TKINTER = """
import time

class Tk:
    def title(self, text): pass
    def after(self, milliseconds, function): self.refresh = function
    def mainloop(self):
        while Label.shown["text"] == "...":
            time.sleep(0.01)
            self.refresh()
        print(Label.shown["text"])

class Label(dict):
    def __init__(self, window, **style): Label.shown = self
    def pack(self): pass
"""


def test_camera_window_shows_the_label_of_a_frame(tmp_path, tiny_artifact):
    (tmp_path / "cv2.py").write_text(STUB_CV2)  # neither a camera nor a screen is needed
    (tmp_path / "tkinter.py").write_text(STUB_TKINTER)
    command = [sys.executable, str(EXAMPLES / "camera_window.py"), str(tiny_artifact)]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=WAIT_S)
    prediction = Classifier(tiny_artifact).predict(np.full((30, 40, 3), (0, 0, 255), np.uint8))
    assert done.stdout == f"{prediction.label} {prediction.probability:.0%}\n"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_import_public_names_alone(path):
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if (node.module or "").partition(".")[0] == "edgekit"]
    assert [node.module for node in ours] == ["edgekit"]
    assert {name.name for name in ours[0].names} <= set(edgekit.__all__)


@pytest.fixture
def address(tiny_artifact):
    """The address of a running web_handler.py."""
    command = [sys.executable, str(EXAMPLES / "web_handler.py"), "0", str(tiny_artifact)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        yield process.stdout.readline().split()[-1]
        process.kill()


def test_web_handler_predicts_uploaded_images_and_rejects_other_requests(address, tiny_artifact):
    with urlopen(address, SHIP.read_bytes(), timeout=WAIT_S) as response:
        assert json.load(response) == Classifier(tiny_artifact, threads=1).predict(SHIP).to_dict()
    for data, length, status in (
        (b"broken", "6", 400),
        (b"", "0", 413),
        (b"x", str(2**23 + 1), 413),
        (b"x", "-1", 413),
    ):
        with pytest.raises(HTTPError) as caught:
            urlopen(Request(address, data, {"Content-Length": length}), timeout=WAIT_S)
        with caught.value as error:
            assert error.code == status
            assert "error" in json.load(error)
