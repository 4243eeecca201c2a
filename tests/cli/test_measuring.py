"""evaluate, bench and doctor as their users see them."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_models import LABELS, write_tiny
from PIL import Image

from edgekit import Classifier, dataset
from edgekit.artifact.info import read_info, write_info
from edgekit.hub.shipped import shipped_models


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures of each of the tiny model's classes."""
    rng = np.random.default_rng(0)
    for label in LABELS:
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
    return tmp_path / "photos"


def test_evaluate_says_what_the_library_says(edgekit, tiny_artifact, photos):
    code, out, err = edgekit("evaluate", tiny_artifact, photos, "--json")
    document = json.loads(out)
    classifier, pictures = Classifier(tiny_artifact), dataset.read(photos, "all")
    right = sum(
        classifier.predict(source).label == pictures.classes[label]
        for source, label in zip(pictures.sources, pictures.labels, strict=True)
    )
    assert (code, err) == (0, "")
    assert document["models"][0]["top1"]["value"] == right / 12
    assert sum(count for _, _, count in document["models"][0]["confusion"]) == 12


@pytest.mark.parametrize(("recorded", "said"), [(0.0, True), (None, False)])
def test_another_accuracy_than_the_file_says_is_pointed_out(edgekit, tiny_artifact, photos, tmp_path, recorded, said):
    measured = json.loads(edgekit("evaluate", tiny_artifact, photos, "--json")[1])["models"][0]["top1"]["value"]
    content, holds = tiny_artifact.read_bytes(), measured if recorded is None else recorded
    info = replace(read_info(tiny_artifact), metrics={"pictures": 12, "top1": holds, "top5": 1.0})
    write_info(content, info, tmp_path / "other.onnx")
    code, out, err = edgekit("evaluate", tmp_path / "other.onnx", photos, "--json")
    assert (code, "the file says top-1 0.00%" in err) == (0, said)
    assert json.loads(out)["models"][0]["recorded_top1"] == holds
    assert edgekit("evaluate", tmp_path / "other.onnx", photos, "--crops", "flip")[2] == ""


def test_evaluate_for_people(edgekit, tiny_artifact, photos):
    code, out, _ = edgekit("evaluate", tiny_artifact, photos)
    assert code == 0
    assert all(said in out for said in ("12 pictures", "95% interval", "most confused", "precision", *LABELS))


def test_several_models_and_plans_are_compared(edgekit, tiny_artifact, photos, tmp_path):
    other = write_tiny(tmp_path / "other.onnx", labels=LABELS[::-1])
    models = (tiny_artifact, other)
    code, out, _ = edgekit("evaluate", *models, photos, "--crops", 1, "--crops", "ten", "--json")
    document = json.loads(out)
    assert code == 0
    assert [m["model"] for m in document["models"]] == ["tiny, center", "tiny, ten", "other, center", "other, ten"]
    assert [m["second"] for m in document["comparisons"]] == ["tiny, ten", "other, center", "other, ten"]
    assert "against tiny" in edgekit("evaluate", *models, photos)[1]
    once = json.loads(edgekit("evaluate", other, other, photos, "--crops", "1", "--crops", "center", "--json")[1])
    assert [m["model"] for m in once["models"]] == ["other"]


def test_a_picture_that_cannot_be_read_is_listed_and_the_others_are_counted(edgekit, tiny_artifact, photos):
    (photos / "red/0.png").write_bytes(b"no picture")
    code, out, err = edgekit("evaluate", tiny_artifact, photos, "--json")
    document = json.loads(out)
    assert (code, document["pictures"]) == (3, 11)
    assert [failure["name"] for failure in document["failed"]] == ["red/0.png"]
    assert err.count("\n") == 1
    assert "red/0.png" in err


def test_truth_may_lie_elsewhere_and_be_called_otherwise(edgekit, tiny_artifact, photos, tmp_path):
    table = tmp_path / "truth.csv"
    with table.open("w", newline="") as file:
        rows = [(f"{name}/{n}.png", "crimson" if name == "red" else name) for name in LABELS for n in range(3)]
        csv.writer(file).writerows([("file", "label"), *rows])
    code, _, err = edgekit("evaluate", tiny_artifact, photos, "--truth", table)
    assert code == 1
    assert "'crimson'" in err
    assert "'red'" in err
    named = edgekit("evaluate", tiny_artifact, photos, "--truth", table, "--map", "crimson=red", "--json")
    plain = edgekit("evaluate", tiny_artifact, photos, "--json")
    assert json.loads(named[1])["models"][0]["top1"] == json.loads(plain[1])["models"][0]["top1"]


def test_held_out_is_val_where_there_is_one(edgekit, tmp_path, photos, tiny_artifact):
    whole = tmp_path / "whole"
    whole.mkdir()
    photos.rename(whole / "train")
    assert "no held-out pictures" in edgekit("evaluate", tiny_artifact, whole)[2]
    assert json.loads(edgekit("evaluate", tiny_artifact, whole, "--split", "train", "--json")[1])["pictures"] == 12
    (whole / "test/red").mkdir(parents=True)
    (whole / "train/red/0.png").rename(whole / "test/red/0.png")
    assert json.loads(edgekit("evaluate", tiny_artifact, whole, "--json")[1])["pictures"] == 1


def test_a_report_is_written_beside_the_figures(edgekit, tiny_artifact, photos, tmp_path):
    code, out, err = edgekit("evaluate", tiny_artifact, photos, "--report", tmp_path / "out.html", "--json")
    assert code == 0
    assert json.loads(out)["pictures"] == 12
    assert f"wrote {tmp_path / 'out.html'}" in err
    assert (tmp_path / "out.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("evaluate", "photos"), 2, "MODEL... DATA"),
        (("evaluate", "lenet5-mnist", "missing"), 1, "missing"),
        (("evaluate", "lenet5-mnits", "photos"), 4, "did you mean lenet5-mnist"),
        (("evaluate", "lenet5-mnist", "photos", "--crops", "7"), 2, "unknown crop plan '7'"),
        (("evaluate", "lenet5-mnist", "photos", "--split", "tset"), 1, "unknown split 'tset'"),
        (("evaluate", "lenet5-mnist", "photos", "--map", "x"), 1, "neither OLD=NEW nor a file"),
        (("evaluate", "lenet5-mnist", "photos"), 1, "only in the images: 'black'"),
        (("bench", "missing.onnx"), 4, "missing.onnx"),
        (("bench", "lenet5-mnist", "--against", "fp32"), 4, "no float32 parent"),
        (("bench", "lenet5-mnist", "--threads", "0"), 2, "whole numbers"),
        (("bench", "lenet5-mnist", "--picture", "missing.jpg"), 1, "error: missing.jpg: cannot be opened"),
        (("bench", "photos/red/0.png"), 4, "0.png"),
        (("bench", "lenet5-mnist", "--plot", "bench.jpgg"), 2, "unknown ending of a plot '.jpgg'"),
        (("evaluate", "lenet5-mnist", "photos", "--report", "photos"), 2, "is a folder"),
    ],
)
def test_a_careless_user_gets_one_line_and_a_code(edgekit, photos, monkeypatch, arguments, code, said):
    monkeypatch.chdir(photos.parent)
    found, out, err = edgekit(*arguments)
    assert (found, out) == (code, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.slow
def test_evaluate_reproduces_the_cards_figures(edgekit, shared):
    name = "mobilenet_v2-cifar10-int8"
    code, out, _ = edgekit("evaluate", name, shared / "data/cifar10-jpg.tar.gz", "--json")
    document, promised = json.loads(out), read_info(shipped_models()[name]).metrics
    assert (code, document["pictures"]) == (0, promised["pictures"])
    assert document["models"][0]["top1"]["value"] == promised["top1"]
    assert document["models"][0]["top5"]["value"] == promised["top5"]


def test_bench_for_people_and_as_a_plot(edgekit, tmp_path):
    plot = tmp_path / "bench.png"
    code, out, err = edgekit(
        "bench", "lenet5-mnist-int8", "--against", "fp32", "--rounds", 6, "--threads", 1, "--plot", plot
    )
    assert code == 0
    assert all(
        said in out for said in ("cold start", "p99", "share of peak", "file to label", "QLinearConv", "interval")
    )
    assert f"wrote {plot}" in err
    assert Image.open(plot).width > 500


def test_bench_takes_a_strangers_file(edgekit, shared):
    plain = shared / "weights/mobilenet_v2_imagenet_plain.onnx"
    code, out, _ = edgekit("bench", plain, "--rounds", 6, "--threads", 1, "--json")
    one = json.loads(out)["models"][0]
    assert code == 0
    assert one["file_to_label"] is None
    assert one["network"][0]["latency"]["p50_ms"] > 0


def test_doctor(edgekit, monkeypatch):
    code, out, _ = edgekit("doctor")
    assert code == 0
    assert all(said in out for said in ("onnxruntime", "CPUExecutionProvider", "extra report", "default model"))
    monkeypatch.setenv("EDGEKIT_NUM_THREADS", "many")
    code, out, _ = edgekit("doctor", "--json")
    document = json.loads(out)
    assert (code, document["healthy"]) == (1, False)
    assert document["findings"][0]["severity"] == "problem"
