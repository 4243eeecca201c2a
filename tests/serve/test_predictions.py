import base64
import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from made_serve import call, form
from made_tags import write_tags
from PIL import Image

from edgekit.artifact.info import read_info
from edgekit.preprocess.adaptive_crops import AdaptivePlan
from edgekit.serve import ServeSettings, create_app

ADAPTIVE = AdaptivePlan(view_names=("center", "wide"), temperature=1.5, curve=((1.0, 0.0), (2.0, 1.0)), budget=1.25)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images, one of them broken, and models of every kind."""
    from made_models import write_tiny

    folder = tmp_path_factory.mktemp("predictions")
    rng = np.random.default_rng(0)
    for name in ("one.png", "two.jpg", "three.png"):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(folder / name)
    (folder / "broken.png").write_bytes(b"no image")
    write_tiny(folder / "tiny.onnx", temperature=2.5, adaptive_crops=ADAPTIVE)
    write_tags(folder / "tags.onnx")
    return folder


@pytest.fixture(scope="module")
def app(folder):
    app = create_app(folder / "tiny.onnx", folder / "tags.onnx", settings=ServeSettings(threads=2))
    yield app
    app.state.services.close()


def command_line(folder, *arguments):
    """What `edgekit predict --json` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", "predict", *arguments, "--json"],
        cwd=folder,
        capture_output=True,
        check=False,
        input=(folder / "one.png").read_bytes(),
    )
    return done.stdout


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", ("--model", "tiny.onnx")),
        ("top=2&crops=adaptive", ("--model", "tiny.onnx", "--top", "2", "--crops", "adaptive")),
        ("model=tags&crops=flip", ("--model", "tags.onnx", "--crops", "flip")),
    ],
)
def test_one_image_is_the_line_of_the_command(app, folder, query, options):
    body = (folder / "one.png").read_bytes()
    reply = call(app, "POST", f"/predict?{query}", body=body, headers={"Content-Type": "image/jpeg"})
    expected = command_line(folder, "-", *options).replace(b".onnx", b"")
    assert reply.body == expected
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize("options", [("--model", "tiny.onnx"), ("--model", "tags.onnx", "--top", "3", "--crops", "5")])
def test_many_images_are_the_lines_of_the_command(app, folder, options):
    names = ("one.png", "broken.png", "two.jpg", "three.png")
    body, headers = form(*((name, (folder / name).read_bytes()) for name in names))
    query = "&".join(f"{key.strip('-')}={value}" for key, value in zip(options[::2], options[1::2], strict=True))
    reply = call(app, "POST", f"/predict?{query.replace('.onnx', '')}", body=body, headers=headers)
    assert reply.body == command_line(folder, *names, *options).replace(b".onnx", b"")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/x-ndjson")
    assert [line.get("error", {}).get("type") for line in reply.lines] == [None, "ImageError", None, None]


def test_json_and_form_have_the_prediction_of_the_raw_bytes(app, folder):
    data = (folder / "two.jpg").read_bytes()
    raw = call(app, "POST", "/predict?top=4", body=data).json
    document = json.dumps({"image": base64.b64encode(data).decode()}).encode()
    assert call(app, "POST", "/predict?top=4", body=document, headers={"Content-Type": "application/json"}).json == raw
    body, headers = form(("two.jpg", data))
    assert call(app, "POST", "/predict?top=4", body=body, headers=headers).json == raw | {"path": "two.jpg"}
    document = json.dumps({"images": [base64.b64encode(data).decode()]}).encode()
    (line,) = call(app, "POST", "/predict?top=4", body=document, headers={"Content-Type": "application/json"}).lines
    assert line == raw | {"path": "images[0]"}


def test_temperature_and_thresholds_are_applied(app, folder):
    data = (folder / "one.png").read_bytes()
    assert read_info(folder / "tiny.onnx").temperature == 2.5
    assert "labels" in call(app, "POST", "/predict?model=tags", body=data).json
    assert "labels" not in call(app, "POST", "/predict", body=data).json


def test_response_states_the_time_in_the_queue_and_at_work(app, folder):
    data = (folder / "one.png").read_bytes()
    begin = time.perf_counter()
    timing = call(app, "POST", "/predict", body=data).headers["server-timing"]
    elapsed_ms = (time.perf_counter() - begin) * 1e3
    queue, predict = map(float, re.fullmatch(r"queue;dur=(\d+\.\d), predict;dur=(\d+\.\d)", timing).groups())
    assert 0 < predict <= elapsed_ms
    assert 0 <= queue <= elapsed_ms


def test_one_unreadable_image_is_unprocessable(app):
    reply = call(app, "POST", "/predict", body=b"no image")
    assert reply.status == 422
    assert reply.error.startswith("8 bytes: not an image in a supported format")
    body, headers = form(("broken.png", b"no image"))
    assert call(app, "POST", "/predict", body=body, headers=headers).error.startswith("broken.png: not an image")


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("top=0", 400, "`top` must be an integer from 1 (got '0')"),
        ("top=x", 400, "`top` must be an integer from 1 (got 'x')"),
        ("top=" + "1" * 5000, 400, "`top` must be an integer from 1"),
        ("crops=wid", 400, "unknown crop plan 'wid'; did you mean wide?"),
        ("crops=", 400, "unknown crop plan ''"),
        ("crops=grid:99x99", 400, "grid:99x99"),
        ("model=tags&crops=adaptive", 400, "tags: a multi-label model has no adaptive crops; choose another `crops`"),
        ("model=tinny", 404, "unknown model 'tinny'; did you mean tiny?"),
        ("model=../tiny.onnx", 404, "unknown model '../tiny.onnx'"),
        ("tops=3", 400, "unknown parameter 'tops'; did you mean top"),
        ("top=3&top=4", 400, "a parameter is given twice: 'top=3&top=4'"),
        ("top", 400, "the query cannot be parsed: 'top'"),
        ("top=%ff", 400, "the query cannot be parsed: 'top=%ff'"),
        ("&".join(f"a{number}=" for number in range(30)), 400, "the query cannot be parsed"),
    ],
)
def test_query_is_refused_in_one_line_before_the_body_is_read(app, query, status, message):
    reply = call(app, "POST", f"/predict?{query}", body=[None])  # a client that leaves instead of sending its body
    assert reply.status == status
    assert message in reply.error


def test_image_above_limit_of_pixels_is_refused(folder):
    app = create_app(folder / "tiny.onnx", settings=ServeSettings(max_pixels=1000, threads=1))
    reply = call(app, "POST", "/predict", body=(folder / "one.png").read_bytes())
    assert reply.status == 422
    assert "1000" in reply.error
    app.state.services.close()


def test_images_are_counted_by_model(app, folder):
    def counted():
        text = call(app, "GET", "/metrics").body.decode()
        lines = [line for line in text.splitlines() if line.startswith('edgekit_images_total{model="tags"')]
        return [int(line.split()[-1]) for line in lines]

    before = counted()
    body, headers = form(("one.png", (folder / "one.png").read_bytes()), ("broken.png", b"x"))
    call(app, "POST", "/predict?model=tags", body=body, headers=headers)
    assert np.subtract(counted(), before).tolist() == [1, 1]
