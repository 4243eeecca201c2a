"""`edgekit crops` from the command line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_images import noise
from made_models import LABELS

from edgekit import Classifier
from edgekit.artifact.info import read_info, write_info
from edgekit.files import sha256
from edgekit.preprocess.adaptive_crops import AdaptivePlan


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three images of each class of the tiny model, one of them in a folder below."""
    for number in range(12):
        folder = tmp_path / "photos" / LABELS[number % 4] / ("more" if number == 11 else "")
        folder.mkdir(parents=True, exist_ok=True)
        noise(20 + number, 31).save(folder / f"{number}.png")
    return tmp_path / "photos"


def test_crops_compares_plans_and_stores_the_recommended_one(edgekit, tiny_artifact, photos, tmp_path):
    output, plot = tmp_path / "new.onnx", tmp_path / "curve.svg"
    options = ("--plans", "five,grid:2x2", "--budgets", "2,1.5", "--halves", 2, "--plot", plot, "-o", output)
    code, out, err = edgekit("crops", tiny_artifact, photos, *options)
    rows = [line.split()[0] for line in out.splitlines()[2:8]]
    assert (code, rows) == (0, ["center", "ten", "five", "grid:2x2", "adaptive", "adaptive"])
    assert "recommended: adaptive" in out
    assert f"wrote {output}" in err
    assert plot.read_text().count("<svg") == 1
    info = read_info(output)
    assert info.adaptive_crops is not None
    assert info.adaptive_crops.budget in (1.5, 2)
    assert info.parent_sha256 == sha256(tiny_artifact.read_bytes())
    image = np.asarray(noise(40, 30))
    prediction = Classifier(output).predict(image, plan="adaptive")
    np.testing.assert_array_equal(
        prediction.probabilities, Classifier(tiny_artifact).predict(image, plan=info.adaptive_crops).probabilities
    )


def test_crops_json_is_one_document(edgekit, tiny_artifact, photos):
    options = ("--plans", "", "--budgets", "1.5", "--halves", 2, "--json")
    code, out, err = edgekit("crops", tiny_artifact, photos, *options)
    document = json.loads(out)
    assert (code, err, document["schema"], document["images"]) == (0, "", 2, 12)
    assert [row["plan"] for row in document["plans"]] == ["center", "ten", "adaptive"]
    assert document["judged_by"] == "top-1"
    predictions = [Classifier(tiny_artifact).predict(path) for path in sorted(photos.rglob("*.png"))]
    named = [path.relative_to(photos).parts[0] for path in sorted(photos.rglob("*.png"))]
    right = np.mean([p.label == name for p, name in zip(predictions, named, strict=True)])
    assert document["plans"][0]["right"] == right


def test_crops_unlabeled_accepts_any_folder(edgekit, tiny_artifact, photos):
    (photos / "notes.txt").write_text("no image")
    options = ("--unlabeled", "--plans", "", "--halves", 2, "--images", 8, "--json")
    code, out, _ = edgekit("crops", tiny_artifact, photos, *options)
    assert (code, json.loads(out)["images"], json.loads(out)["judged_by"]) == (0, 8, "agreement")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--budgets", "cheap"), 2, "numbers of views from 1"),
        (("--budgets", "0.5"), 2, "numbers of views from 1"),
        (("--budgets", "nan"), 2, "numbers of views from 1"),
        (("--plans", "fiev"), 2, "did you mean five"),
        (("--plans", "", "--halves", 1, "--plot", "curve.txt"), 2, "curve.txt"),
    ],
    ids=str,
)
def test_crops_reports_wrong_options_in_one_line(edgekit, tiny_artifact, photos, options, code, message):
    exit_code, out, err = edgekit("crops", tiny_artifact, photos, *options)
    assert (exit_code, out, len(err.splitlines())) == (code, "", 1)
    assert message in err


def test_crops_refuses_empty_folders_and_the_model_as_output(edgekit, tiny_artifact, tmp_path, photos):
    code, _, err = edgekit("crops", tiny_artifact, tmp_path / "absent", "--unlabeled")
    assert (code, "no such folder" in err) == (1, True)
    (tmp_path / "empty").mkdir()
    code, _, err = edgekit("crops", tiny_artifact, tmp_path / "empty", "--unlabeled")
    assert (code, "no images" in err) == (1, True)
    code, _, err = edgekit("crops", tiny_artifact, photos, "-o", tiny_artifact)
    assert (code, "would replace the input file" in err) == (2, True)


def test_evaluate_compares_the_adaptive_crops_of_a_file(edgekit, tiny_artifact, photos, tmp_path):
    plan = AdaptivePlan(view_names=("center", "wide"), temperature=1.0, curve=((1.0, 0.0), (2.0, 1.0)), budget=2.0)
    write_info(
        tiny_artifact.read_bytes(), replace(read_info(tiny_artifact), adaptive_crops=plan), tmp_path / "crops.onnx"
    )
    options = ("--crops", "1", "--crops", "adaptive", "--json")
    code, out, _ = edgekit("evaluate", tmp_path / "crops.onnx", photos, *options)
    models = json.loads(out)["models"]
    classifier, images = Classifier(tmp_path / "crops.onnx"), sorted(photos.rglob("*.png"))
    right = [classifier.predict(p, plan=plan).label == p.relative_to(photos).parts[0] for p in images]
    assert (code, [m["crops"] for m in models]) == (0, ["center", "adaptive"])
    assert models[1]["top1"]["value"] == np.mean(right)
    code, out, err = edgekit("evaluate", tiny_artifact, photos, *options)
    assert (code, out) == (2, "")
    assert "has no adaptive crops" in err
