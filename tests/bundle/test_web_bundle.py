"""The page of a web bundle, in Chromium: what it computes, what it shows, and that it works offline."""

import json
import os
import re
import shutil

import numpy as np
import pytest
from made_javascript import (
    photographs,
    run_browser,
    run_node,
    served,
    transparent_image,
    write_drawings,
    write_web_bundle,
)
from made_models import write_tiny

from edgekit import Classifier, load_image
from edgekit.bench.device import read_device
from edgekit.bundle.web_runtime import TESTED_VERSION
from edgekit.hub.model_files import model_path
from edgekit.image.synthetic import draw_scenes

pytestmark = pytest.mark.slow

WASM, RUNTIME = "runtime/ort-wasm-simd-threaded.wasm", "runtime/ort.wasm.bundle.min.js"
STAGES = ("decoding", "preprocessing", "network", "labels")


def expected_logits(classifier: Classifier, sources) -> np.ndarray:
    """What the reference arithmetic computes: the whole image decoded and resampled."""
    preprocess = classifier.info.preprocess
    images = [load_image(source, color=preprocess.color) for source in sources]
    return np.concatenate([classifier.logits(preprocess.pixels(image)) for image in images])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A web bundle of the tiny model, in a subfolder of what the server serves."""
    root = tmp_path_factory.mktemp("server")
    return write_web_bundle(write_tiny(root / "tiny.onnx"), root / "site")


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    return write_drawings(tmp_path_factory.mktemp("drawings"))


def test_page_predicts_what_is_chosen_dropped_pasted_or_seen_by_the_camera(site, drawings):
    result = run_browser(site, "page", image=drawings[0], other=drawings[1], width=360)
    assert result["messages"] == []
    steps, classifier = result["steps"], Classifier(site / "tiny.onnx", exact=True)
    first, second = (classifier.predict(path) for path in drawings)
    assert first.label != second.label, "the test needs two different predictions"
    for text in ("tiny", "4 classes, float32", "CC0-1.0", "not measured", "onnxruntime-web"):
        assert text in steps["start"]
    for step, prediction in {"chosen": first, "drop": second, "paste": second}.items():
        assert steps[step]["label"] == prediction.label
        assert steps[step]["probability"] == f"{100 * prediction.top[0].probability:.1f}%"
        assert steps[step]["error"] is None
    assert steps["broken"]["error"] == "notes.txt is not an image that this browser can decode"
    assert steps["camera"]["alt"].startswith("camera, classified as ")
    assert steps["camera"]["error"] is None
    assert {step["width"] for name, step in steps.items() if name != "start"} == {360}, "it scrolls sideways"


def test_page_works_offline_after_the_first_visit(site, drawings):
    result = run_browser(site, "offline", image=drawings[0])
    assert result["label"] == Classifier(site / "tiny.onnx", exact=True).predict(drawings[0]).label
    assert result["verdict"].startswith("Passed")
    assert result["messages"] == []


def test_page_works_over_http_where_a_phone_opens_it(site, drawings):
    result = run_browser(site, "insecure", image=drawings[0])
    assert result["label"] == Classifier(site / "tiny.onnx", exact=True).predict(drawings[0]).label
    assert result["offline"] == "Works offline only if served over HTTPS or from localhost."
    assert result["verdict"].startswith("Passed")
    assert result["messages"] == []


def test_self_test_passes_stage_by_stage(site):
    result = run_browser(site, "selftest")
    assert result["verdict"] == "Passed: this device computes what edgekit computes."
    assert [re.match(r"passed (\w+): 8 of 8 ", stage)[1] for stage in result["stages"]] == list(STAGES)
    assert result["messages"] == []


def test_page_computes_the_logits_of_files_and_of_pixels(site, tmp_path):
    root = site.parent
    images = {"plain": draw_scenes(1)[0], "transparent": transparent_image(), "gray": draw_scenes(1)[0].convert("L")}
    paths = []
    for name, image in images.items():
        image.save(tmp_path / f"{name}.png")
        paths.append(tmp_path / f"{name}.png")
    results = run_browser(site, "predict", images=served(paths, root))["results"]
    expected = expected_logits(Classifier(site / "tiny.onnx"), paths)
    assert [result["decoded"] for result in results] == [True] * 3
    for key in ("logits", "logits_from_pixels"):
        assert np.array([result[key] for result in results]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "tolerance"), [("efficientnet_lite0-imagenet", 1e-4), ("efficientnet_lite0-imagenet-int8", 0)]
)
def test_page_predicts_photographs_as_python_does(name, tolerance, shared, tmp_path):
    model, photos = model_path(name), photographs(shared, 30)
    site = write_web_bundle(model, tmp_path / "site", count=1)
    result = run_browser(site, "predict", images=served(photos, tmp_path))
    expected = expected_logits(Classifier(model), photos)
    assert [entry["decoded"] for entry in result["results"]] == [True] * 30
    for key in ("logits", "logits_from_pixels"):
        logits = np.array([entry[key] for entry in result["results"]], np.float32)
        assert np.array_equal(logits.argmax(1), expected.argmax(1))
        assert np.abs(logits - expected).max() <= tolerance
    assert result["messages"] == []


def test_benchmarks_write_what_edgekit_reads(site, tmp_path):
    page = run_browser(site, "bench")
    assert page["messages"] == []
    for text in (page["document"], run_node(site / "bench.mjs")):
        (tmp_path / "device.json").write_text(text)
        device = read_device(tmp_path / "device.json")
        assert device.architecture == "wasm"
        assert device.versions == {"onnxruntime-web": TESTED_VERSION}
        (model,) = device.models
        assert model.passed
        assert model.session is not None
        assert model.latency(1) is not None
    assert len(model.network) == 1  # of Node, the last one
    shown = json.loads(page["document"])["models"][0]["network"]
    assert page["shown"].startswith(f"{shown[0]['median_ms']:#.3g} ms with 1 thread")
    assert len(page["shown"].split(", ")) == len(shown)


def test_page_names_what_is_missing(site):
    again = "; copy the whole bundle again"
    cases = {
        "model": ("tiny.onnx", None, f"tiny.onnx is missing (status 404){again}"),
        "other-model": ("tiny.onnx", b"x", f"tiny.onnx is not the file that its description was written for{again}"),
        "description": ("tiny.json", None, f"tiny.json is missing (status 404){again}"),
        "manifest": ("bundle.json", b"{", f"bundle.json is not a JSON document{again}"),
        "wasm": (WASM, None, f"{WASM} is missing (status 404){again}"),
        "runtime": (RUNTIME, None, f"{RUNTIME} cannot be loaded{again}"),
    }
    for name, (file, content, _) in cases.items():
        shutil.copytree(site, site.parent / name, copy_function=os.link)
        (site.parent / name / file).unlink()
        if content is not None:
            (site.parent / name / file).write_bytes(content)
    shown = run_browser(site, "broken", broken=list(cases))["errors"]
    assert shown.pop("file").startswith("Open this page from a server: run `python -m http.server` in its folder")
    assert shown == {name: error for name, (_, _, error) in cases.items()}


def test_bundle_states_runtime_and_license(site):
    manifest = json.loads((site / "bundle.json").read_text())
    assert manifest["runtime"] == {"name": "onnxruntime-web", "version": TESTED_VERSION}
    assert "MIT License" in (site / "runtime" / "LICENSE.txt").read_text()
    readme = (site / "README.md").read_text()
    assert f"onnxruntime-web {TESTED_VERSION}" in readme
    assert len(readme.splitlines()) <= 20
