"""The examples run as they stand."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from edgekit import Classifier

EXAMPLES = Path(__file__).parents[1] / "examples"
SHIP = EXAMPLES / "ship.png"
WAIT_S = 120


def test_images_are_sorted_by_what_is_on_them(tmp_path, tiny_artifact):
    images, target = tmp_path / "images", tmp_path / "sorted"
    images.mkdir()
    (images / "a.png").write_bytes(SHIP.read_bytes())
    (images / "b.png").write_bytes(b"broken")
    command = [sys.executable, str(EXAMPLES / "sort_images.py"), str(images), str(target), str(tiny_artifact)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=WAIT_S)
    label = Classifier(tiny_artifact).predict(SHIP).label
    assert [path.relative_to(target).as_posix() for path in target.rglob("*.png")] == [f"{label}/a.png"]
    assert "b.png" in done.stderr


@pytest.fixture
def address(tiny_artifact):
    command = [sys.executable, str(EXAMPLES / "web_handler.py"), "0", str(tiny_artifact)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        yield process.stdout.readline().split()[-1]
        process.kill()


def test_a_web_server_answers_images_and_refuses_the_rest(address, tiny_artifact):
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
