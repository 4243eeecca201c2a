import json
import subprocess
import sys

import pytest
from made_models import write_tiny
from made_serve import call

from edgekit.serve import ServeSettings, create_app


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("catalog") / "with space.onnx")


@pytest.fixture(scope="module")
def app(model, tiny_artifact):
    app = create_app(model, tiny_artifact, settings=ServeSettings(threads=1))
    yield app
    app.state.services.close()


def test_models_are_listed_the_default_first(app):
    listing = call(app, "GET", "/models").json
    assert listing["default"] == "with space"
    assert [model["name"] for model in listing["models"]] == ["with space", "tiny"]
    assert listing["models"][1] == {
        "name": "tiny",
        "sha256": app.state.services.models.get("tiny").sha256,
        "model": "tiny",
        "precision": "float32",
        "task": "single-label",
        "labels": 4,
        "license": "CC0-1.0",
        "outputs": ["logits"],
    }


def test_model_is_what_inspect_prints(app, model):
    command = [sys.executable, "-m", "edgekit", "inspect", str(model), "--json"]
    printed = subprocess.run(command, capture_output=True, check=True).stdout
    assert call(app, "GET", "/models/with space").body == printed
    assert json.loads(printed)["labels"]


def test_no_response_contains_a_path_of_the_server(app, model):
    replies = [call(app, "GET", target) for target in ("/models", "/models/with space", "/metrics", "/models/x")]
    assert [reply.status for reply in replies] == [200, 200, 200, 404]
    for reply in replies:
        assert str(model.parent).encode() not in reply.body


def test_unknown_model_is_not_found(app):
    reply = call(app, "GET", "/models/tinny")
    assert (reply.status, reply.error) == (404, "unknown model 'tinny'; did you mean tiny?")
