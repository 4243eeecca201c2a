"""The page of `edgekit serve`: its files, its headers, and what it shows in Chromium."""

import re

import pytest
from made_javascript import run_browser_at, write_drawings
from made_models import model_with_maps, write_tiny
from made_serve import call, serving

from edgekit import Classifier
from edgekit.serve import ServeSettings, create_app
from edgekit.serve.page import routes

MAPPED = "a-model-with-activation-maps-and-a-name-as-people-give-them"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The tiny model, and one with maps, other predictions, and a name that is wider than a phone."""
    folder = tmp_path_factory.mktemp("models")
    labels = ("ash", "beech", "cedar", "elm")
    return write_tiny(folder / "tiny.onnx"), write_tiny(folder / f"{MAPPED}.onnx", model_with_maps(), labels=labels)


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    return write_drawings(tmp_path_factory.mktemp("drawings"))


@pytest.mark.slow
def test_page_predicts_by_the_server(models, drawings):
    with serving(create_app(*models)) as client:
        site = f"http://127.0.0.1:{client.port}/"
        result = run_browser_at(site, "served", image=drawings[0], other=drawings[1], second=MAPPED, width=360)
    first, second = (Classifier(models[0]).predict(path) for path in drawings)
    steps = result["steps"]
    assert first.label != second.label, "the test needs two different predictions"
    for text in ("tiny", "4 classes, float32, runs on this server", "CC0-1.0", "not measured"):
        assert text in steps["start"]
    for step, prediction in {"chosen": first, "drop": second, "paste": second}.items():
        assert steps[step]["label"] == prediction.label
        assert steps[step]["probability"] == f"{100 * prediction.top[0].probability:.1f}%"
        assert steps[step]["error"] is None
    reply = call(create_app(models[0]), "POST", "/predict", body=b"no image")
    assert steps["broken"]["error"] == reply.error
    assert steps["camera"]["alt"].startswith("camera, classified as ")
    assert {step["width"] for name, step in steps.items() if name != "start"} == {360}, "it scrolls sideways"
    label = Classifier(models[1]).predict(drawings[0]).label
    assert result["without"] is False, "the tiny model has no maps"
    assert result["second"] == {"label": label, "name": MAPPED}
    assert result["map"] == [10, f"Where the network sees {label}"]
    # The browser reports the refused file by itself; nothing else may be there.
    assert [re.sub(r" \(.*", "", message) for message in result["messages"]] == [
        "Failed to load resource: the server responded with a status of 422"
    ]


@pytest.mark.slow
def test_page_asks_for_the_key(models, drawings):
    with serving(create_app(*models, settings=ServeSettings(api_keys=("correct horse",)))) as client:
        site = f"http://127.0.0.1:{client.port}/"
        result = run_browser_at(site, "locked", image=drawings[0], key="correct horse")
    assert result["asked"] == ["API key", "Not a valid key. API key"]
    assert result["label"] == Classifier(models[0]).predict(drawings[0]).label
    assert "key" not in result["controls"]


def test_every_file_of_the_page_is_sent_with_strict_headers(models):
    app = create_app(models[0])
    for route in routes:
        reply = call(app, "GET", route.path)
        assert reply.status == 200
        assert "default-src 'none'; script-src 'self'" in reply.headers["content-security-policy"]
        assert "unsafe" not in reply.headers["content-security-policy"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        again = call(app, "GET", route.path, headers={"If-None-Match": reply.headers["etag"]})
        assert (again.status, again.body) == (304, b"")


def test_page_refers_only_to_files_that_are_sent(models):
    paths = {route.path.lstrip("/") for route in routes}
    app = create_app(models[0])
    (page,) = (call(app, "GET", "/").body.decode(),)
    assert set(re.findall(r'(?:src|href)="([^"]+)"', page)) <= paths
    for path in paths:
        if path.endswith(".js"):
            script = call(app, "GET", f"/{path}").body.decode()
            assert {f"js/{name}" for name in re.findall(r'from "\./([^"]+)"', script)} <= paths


@pytest.mark.parametrize("path", ["/js/", "/js/classifier.js", "/js/../app.py", "/page.py", "/%2e%2e/app.py"])
def test_no_other_file_is_sent(models, path):
    assert call(create_app(models[0]), "GET", path).status == 404


def test_without_the_page_there_is_none(models):
    assert call(create_app(models[0], settings=ServeSettings(page=False)), "GET", "/").status == 404
