"""`edgekit evaluate` from the command line."""

import csv
import json
from dataclasses import replace

import pytest
from made_models import LABELS, write_tiny

from edgekit import Classifier, dataset
from edgekit.artifact.info import read_info, write_info
from edgekit.hub.built_in import built_in_models


def test_evaluate_agrees_with_the_library(edgekit, tiny_artifact, photos):
    code, out, err = edgekit("evaluate", tiny_artifact, photos, "--json")
    document = json.loads(out)
    classifier, images = Classifier(tiny_artifact), dataset.read(photos, "all")
    right = sum(
        classifier.predict(source).label == images.classes[label]
        for source, label in zip(images.sources, images.labels, strict=True)
    )
    assert (code, err) == (0, "")
    assert document["models"][0]["top1"]["value"] == right / 12
    assert sum(count for _, _, count in document["models"][0]["confusion"]) == 12


@pytest.mark.parametrize(("recorded", "is_warned"), [(0.0, True), (None, False)])
def test_evaluate_warns_if_the_recorded_accuracy_differs(edgekit, tiny_artifact, photos, tmp_path, recorded, is_warned):
    measured = json.loads(edgekit("evaluate", tiny_artifact, photos, "--json")[1])["models"][0]["top1"]["value"]
    content, top1 = tiny_artifact.read_bytes(), measured if recorded is None else recorded
    info = replace(read_info(tiny_artifact), metrics={"images": 12, "top1": top1, "top5": 1.0})
    write_info(content, info, tmp_path / "other.onnx")
    code, out, err = edgekit("evaluate", tmp_path / "other.onnx", photos, "--json")
    assert (code, "the file records 0.00%" in err) == (0, is_warned)
    assert json.loads(out)["models"][0]["recorded_top1"] == top1
    assert edgekit("evaluate", tmp_path / "other.onnx", photos, "--crops", "flip")[2] == ""


def test_evaluate_prints_tables(edgekit, tiny_artifact, photos):
    code, out, _ = edgekit("evaluate", tiny_artifact, photos)
    assert code == 0
    assert all(message in out for message in ("12 images", "95% interval", "most confused", "precision", *LABELS))


def test_evaluate_shows_the_calibration_error_with_and_without_the_temperature(edgekit, tmp_path, write_drawn):
    plain, warm = write_tiny(tmp_path / "plain.onnx"), write_tiny(tmp_path / "warm.onnx", temperature=0.5)
    data = write_drawn(plain, 250, temperature=0.5)
    first, second = json.loads(edgekit("evaluate", plain, warm, data, "--json")[1])["models"]
    assert (first["temperature"], first["uncalibrated_ece"]) == (None, None)
    assert (second["temperature"], second["uncalibrated_ece"]) == (0.5, first["calibration"]["ece"])
    assert second["calibration"]["ece"] < first["calibration"]["ece"]
    measured, fitted = (part.splitlines() for part in edgekit("evaluate", plain, warm, data)[1].split("\n\n")[1:3])
    assert measured[0].split()[-3:] == ["ECE", "uncalibrated", "ECE"]
    assert fitted[0].split() == ["model", "best", "temperature", "best", "ECE"]  # the table continues below
    ece, uncalibrated = f"{first['calibration']['ece']:.4f}", f"{second['uncalibrated_ece']:.4f}"
    assert [row.split()[-2:] for row in measured[2:]] == [
        [ece, "-"],
        [f"{second['calibration']['ece']:.4f}", uncalibrated],
    ]
    ignored = json.loads(edgekit("evaluate", warm, data, "--no-calibration", "--json")[1])["models"][0]
    assert (ignored["temperature"], ignored["calibration"]) == (None, first["calibration"])


def test_evaluate_compares_several_models_and_plans(edgekit, tiny_artifact, photos, tmp_path):
    other = write_tiny(tmp_path / "other.onnx", labels=LABELS[::-1])
    models = (tiny_artifact, other)
    code, out, _ = edgekit("evaluate", *models, photos, "--crops", 1, "--crops", "ten", "--json")
    document = json.loads(out)
    assert code == 0
    assert [m["model"] for m in document["models"]] == ["tiny, center", "tiny, ten", "other, center", "other, ten"]
    assert [m["second"] for m in document["comparisons"]] == ["tiny, ten", "other, center", "other, ten"]
    assert "vs tiny" in edgekit("evaluate", *models, photos)[1]
    once = json.loads(edgekit("evaluate", other, other, photos, "--crops", "1", "--crops", "center", "--json")[1])
    assert [m["model"] for m in once["models"]] == ["other"]


def test_evaluate_lists_unreadable_images_and_counts_the_others(edgekit, tiny_artifact, photos):
    (photos / "red/0.png").write_bytes(b"no image")
    code, out, err = edgekit("evaluate", tiny_artifact, photos, "--json")
    document = json.loads(out)
    assert (code, document["images"]) == (3, 11)
    assert [failure["name"] for failure in document["failed"]] == ["red/0.png"]
    assert err.count("\n") == 1
    assert "red/0.png" in err


def test_evaluate_reads_truth_tables_and_maps_labels(edgekit, tiny_artifact, photos, tmp_path):
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


def test_evaluate_uses_val_as_held_out(edgekit, tmp_path, photos, tiny_artifact):
    whole = tmp_path / "whole"
    whole.mkdir()
    photos.rename(whole / "train")
    assert "no held-out images" in edgekit("evaluate", tiny_artifact, whole)[2]
    assert json.loads(edgekit("evaluate", tiny_artifact, whole, "--split", "train", "--json")[1])["images"] == 12
    (whole / "test/red").mkdir(parents=True)
    (whole / "train/red/0.png").rename(whole / "test/red/0.png")
    assert json.loads(edgekit("evaluate", tiny_artifact, whole, "--json")[1])["images"] == 1


def test_evaluate_writes_a_report(edgekit, tiny_artifact, photos, tmp_path):
    code, out, err = edgekit("evaluate", tiny_artifact, photos, "--report", tmp_path / "out.html", "--json")
    assert code == 0
    assert json.loads(out)["images"] == 12
    assert f"wrote {tmp_path / 'out.html'}" in err
    assert (tmp_path / "out.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("evaluate", "photos"), 2, "DATA is required after MODEL..."),
        (("evaluate", "lenet5-mnist", "missing"), 1, "missing"),
        (("evaluate", "lenet5-mnits", "photos"), 4, "did you mean lenet5-mnist"),
        (("evaluate", "lenet5-mnist", "photos", "--crops", "7"), 2, "unknown crop plan '7'"),
        (("evaluate", "lenet5-mnist", "photos", "--split", "tset"), 1, "unknown split 'tset'"),
        (("evaluate", "lenet5-mnist", "photos", "--map", "x"), 1, "must be OLD=NEW or an existing CSV file"),
        (("evaluate", "lenet5-mnist", "photos"), 1, "only in the images: 'black'"),
        (("evaluate", "photos", "lenet5-mnist"), 4, "photos: is a folder, not a model"),
        (("evaluate", "lenet5-mnist", "photos", "--report", "photos"), 2, "the file to write must end in .html"),
    ],
)
def test_evaluate_reports_a_mistake_in_one_line(mistake, photos, monkeypatch, arguments, code, message):
    monkeypatch.chdir(photos.parent)
    exit_code, err = mistake(*arguments)
    assert exit_code == code
    assert message in err


@pytest.mark.slow
def test_evaluate_reproduces_the_model_card(edgekit, shared):
    name = "mobilenet_v2-cifar10-int8"
    code, out, _ = edgekit("evaluate", name, shared / "data/cifar10-jpg.tar.gz", "--json")
    document, promised = json.loads(out), read_info(built_in_models()[name]).metrics
    assert (code, document["images"]) == (0, promised["images"])
    assert document["models"][0]["top1"]["value"] == promised["top1"]
    assert document["models"][0]["top5"]["value"] == promised["top5"]
