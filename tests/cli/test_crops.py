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

FAST = ("--halves", 2, "--budgets", "1.5,2")
# Both views of every image.
TWO_VIEWS = AdaptivePlan(view_names=("center", "end"), temperature=1.0, curve=((1.0, 0.0), (2.0, 1.1)), budget=2.0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three images of each class of the tiny model, one of them in a folder below."""
    for number in range(12):
        folder = tmp_path / "photos" / LABELS[number % 4] / ("more" if number == 11 else "")
        folder.mkdir(parents=True, exist_ok=True)
        noise(20 + number, 31).save(folder / f"{number}.png")
    return tmp_path / "photos"


def labeled_by(plan, model: Path, folder: Path, *, images: int = 80) -> Path:
    """Images with the classes that the model predicts by a plan, which is therefore right on all of them."""
    classifier = Classifier(model)
    for number in range(images):
        image = noise(20 + number % 20, 31 + number // 20)
        label = classifier.predict(np.asarray(image), plan=plan).label
        (folder / label).mkdir(parents=True, exist_ok=True)
        image.save(folder / label / f"{number}.png")
    return folder


@pytest.fixture
def for_two_views(tiny_artifact, tmp_path: Path) -> Path:
    return labeled_by(TWO_VIEWS, tiny_artifact, tmp_path / "two")


def test_crops_stores_the_adaptive_crops_that_are_measurably_better(edgekit, tiny_artifact, for_two_views, tmp_path):
    output, plot = tmp_path / "new.onnx", tmp_path / "curve.svg"
    options = (*FAST, "--plans", "grid:2x2", "--plot", plot, "-o", output)
    code, out, err = edgekit("crops", tiny_artifact, for_two_views, *options)
    rows = [line.split()[0] for line in out.splitlines()[2:6]]
    assert (code, rows) == (0, ["center", "grid:2x2", "adaptive", "adaptive"])
    assert "recommended: adaptive crops with a budget of" in out
    assert "judged on the other: +" in " ".join(out.split())
    assert f"wrote {output}; next: edgekit predict {for_two_views} --model {output} --crops adaptive" in err
    assert plot.read_text().count("<svg") == 1
    info = read_info(output)
    assert info.adaptive_crops is not None
    assert info.adaptive_crops.view_names[:2] == ("center", "end")
    assert info.adaptive_crops.budget in (1.5, 2)
    assert info.parent_sha256 == sha256(tiny_artifact.read_bytes())
    image = np.asarray(noise(40, 30))
    prediction = Classifier(output).predict(image, plan="adaptive")
    np.testing.assert_array_equal(
        prediction.probabilities, Classifier(tiny_artifact).predict(image, plan=info.adaptive_crops).probabilities
    )


def test_crops_without_output_prints_the_command_that_writes(edgekit, tiny_artifact, for_two_views):
    code, out, err = edgekit("crops", tiny_artifact, for_two_views, *FAST, "--plans", "")
    assert (code, "recommended: adaptive" in out) == (0, True)
    assert "-o tiny-crops.onnx  (writes the model with the recommended adaptive crops)" in err


def test_crops_recommends_a_fixed_plan_by_the_command_that_uses_it(edgekit, tiny_artifact, tmp_path):
    photos, output = labeled_by("wide", tiny_artifact, tmp_path / "wide"), tmp_path / "new.onnx"
    code, out, err = edgekit("crops", tiny_artifact, photos, *FAST, "--plans", "flip,wide", "-o", output)
    assert (code, output.exists()) == (0, False)
    assert "recommended: wide\n" in out
    assert f"note: {output} was not written: wide needs no file" in err
    assert f"next: edgekit predict {photos} --model {tiny_artifact} --crops wide\n" in err
    document = json.loads(edgekit("crops", tiny_artifact, photos, *FAST, "--plans", "flip,wide", "--json")[1])
    assert (document["recommended"]["plan"], document["recommended"]["budget"]) == ("wide", None)
    assert (document["adaptive_crops"], document["path"]) == (None, None)
    assert 0 < document["gain_of_choice"]["low"] <= document["recommended"]["gain"]["value"]


def test_crops_recommends_nothing_and_writes_nothing_without_a_proven_gain(edgekit, tiny_artifact, tmp_path):
    photos = labeled_by("center", tiny_artifact, tmp_path / "center", images=24)
    output = tmp_path / "new.onnx"
    output.write_bytes(b"an older file")
    code, out, err = edgekit("crops", tiny_artifact, photos, *FAST, "--plans", "flip", "-o", output)
    assert (code, output.read_bytes()) == (0, b"an older file")
    assert "center: no plan is measurably better on these 24 images\n" in out
    assert "center is wrong on 0 of 24 images, too few to prove that a plan is better" in " ".join(out.split())
    assert [line for line in err.splitlines() if "new.onnx" in line] == [
        f"note: {output} was not written: no plan is recommended"
    ]
    assert "next:" not in err


def test_crops_names_the_images_that_would_settle_it(edgekit, tiny_artifact, for_two_views):
    options = (*FAST, "--plans", "", "--images", 20, "--seed", 1)
    code, out, _ = edgekit("crops", tiny_artifact, for_two_views, *options)
    document = json.loads(edgekit("crops", tiny_artifact, for_two_views, *options, "--json")[1])
    text = " ".join(out.split())
    assert (code, document["recommended"]) == (0, None)
    assert "no plan is measurably better on these 20 images" in text
    assert document["images_needed"] > 20
    assert f"about {document['images_needed']} images would settle it" in text


def test_crops_refuses_data_that_only_has_training_images(mistake, tiny_artifact, photos, tmp_path):
    (tmp_path / "data").mkdir()
    photos.rename(tmp_path / "data" / "train")
    code, line = mistake("crops", tiny_artifact, tmp_path / "data", *FAST)
    assert (code, "no val images, only images in train/" in line) == (1, True)


def test_crops_json_is_one_document(edgekit, tiny_artifact, photos):
    options = ("--plans", "", "--budgets", "1.5", "--halves", 2, "--json")
    code, out, err = edgekit("crops", tiny_artifact, photos, *options)
    document = json.loads(out)
    assert (code, err, document["schema"], document["images"]) == (0, "", 3, 12)
    assert [row["plan"] for row in document["plans"]] == ["center", "adaptive"]
    assert (document["judged_by"], document["recommended"]) == ("top-1", None)
    predictions = [Classifier(tiny_artifact).predict(path) for path in sorted(photos.rglob("*.png"))]
    named = [path.relative_to(photos).parts[0] for path in sorted(photos.rglob("*.png"))]
    right = np.mean([p.label == name for p, name in zip(predictions, named, strict=True)])
    assert document["plans"][0]["right"] == right


def test_crops_unlabeled_accepts_any_folder(edgekit, tiny_artifact, photos):
    (photos / "notes.txt").write_text("no image")
    options = ("--unlabeled", "--plans", "", "--halves", 2, "--images", 8, "--json")
    code, out, _ = edgekit("crops", tiny_artifact, photos, *options)
    assert (code, json.loads(out)["images"], json.loads(out)["judged_by"]) == (0, 8, "agreement")


def test_crops_recommends_nothing_without_labels(edgekit, mistake, tiny_artifact, for_two_views):
    code, out, err = edgekit("crops", tiny_artifact, for_two_views, "--unlabeled", *FAST)
    assert (code, "center: no plan is recommended without labels\n" in out, "next:" in err) == (0, True, False)
    document = json.loads(edgekit("crops", tiny_artifact, for_two_views, "--unlabeled", *FAST, "--json")[1])
    assert max(row["gain"]["low"] for row in document["plans"]) > 0  # closer to the mean of all views
    assert (document["recommended"], document["images_needed"]) == (None, None)
    code, line = mistake("crops", tiny_artifact, for_two_views, "--unlabeled", "-o", "new.onnx")
    assert (code, "--output needs labeled images" in line) == (2, True)


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
