"""Several labels per image from the command line: from a table to labels, and each command on the way."""

import csv
import json
from io import StringIO

import pytest
from made_reader import TAGS, write_shapes
from made_tags import THRESHOLDS, tagged_images, write_tags
from PIL import Image

from edgekit import Classifier
from edgekit.artifact.info import read_info
from edgekit.artifact.metadata import read_metadata

RECIPE = """
model = "lenet5"
preprocess = { color = "RGB", resize = 32, pad = 0 }
augment = { mixup = 0.2 }
optimize = { epochs = 5, batch_size = 16, learning_rate = 0.02, ema_decay = 0.9, label_smoothing = 0.02 }
"""


@pytest.fixture(scope="module")
def tags(tmp_path_factory):
    return write_tags(tmp_path_factory.mktemp("tags") / "tags.onnx")


@pytest.fixture
def noise(tags, tmp_path):
    """A table of several labels per image, half of it val."""
    images = tagged_images(tags, 24)
    lines = ["file,labels,split"]
    for n, (name, pixels, labels) in enumerate(zip(images.names, images.sources, images.label_sets, strict=True)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        lines.append(f"{name}.png,{'|'.join(images.classes[i] for i in labels)},{('train', 'val')[n % 2]}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    return tmp_path / "table.csv"


@pytest.mark.slow
def test_a_table_of_several_labels_becomes_a_model_that_predicts_them(edgekit, tmp_path):
    """Colored disks: train, export with fitted thresholds, quantize, verify, predict, evaluate, report."""
    shapes, model, small = tmp_path / "shapes", tmp_path / "tags.onnx", tmp_path / "tags-int8.onnx"
    write_shapes(shapes, {"train": 240, "val": 200})
    (tmp_path / "recipe.toml").write_text(RECIPE)
    run = ("--recipe", tmp_path / "recipe.toml", "--run", tmp_path / "run", "--workers", "0")
    code, _, err = edgekit("train", shapes, *run)
    assert code == 0, err
    assert "several labels per image: training with binary cross-entropy, judged by mAP" in err
    assert err.splitlines()[-4].startswith("mAP ")
    assert not (tmp_path / "run" / "confusion.csv").exists()
    rows = list(csv.DictReader(StringIO((tmp_path / "run" / "classes.csv").read_text())))
    assert [row["label"] for row in rows] == sorted(TAGS)

    code, out, err = edgekit("export", tmp_path / "run" / "model.safetensors", "--images", shapes, "-o", model)
    assert code == 0, err
    info = read_info(model)
    assert info.task == read_metadata(model.read_bytes())["task"] == "multi-label"
    assert info.thresholds_fit == {"images": 100, "maximizes": "F1 of each class"}
    assert (info.temperature, info.metrics["images"], info.metrics["f1_images"]) == (None, 200, 100)
    assert f"mAP {100 * info.metrics['map']:.2f}% on 200 images" in out
    assert info.metrics["map"] > 0.8

    quantize = ("--calibration", shapes, "-o", small, "--min-speedup", "0", "--scheme", "int8")
    code, out, err = edgekit("quantize", model, *quantize)
    assert code == 0, err
    assert out.split()[:2] == ["scheme", "mAP"]
    assert "percentage points of mAP (95% interval) on 200 held-out images" in out
    assert read_info(small).task == "multi-label"
    assert read_info(small).parity["quantize"].keys() >= {"parent_map", "map", "drop_interval"}
    code, out, _ = edgekit("verify", model, small, shapes, "--tolerance", "0.1")
    assert (code, out.splitlines()[-1].startswith("same labels on ")) == (0, True)

    code, out, _ = edgekit("evaluate", model, small, shapes, "--json", "--report", tmp_path / "report.html")
    document = json.loads(out)
    assert document["models"][0]["map"]["value"] == pytest.approx(info.metrics["map"], abs=1e-6)
    assert (code, document["task"], len(document["comparisons"])) == (0, "multi-label", 1)
    assert "mAP" in (tmp_path / "report.html").read_text()


def test_predict_prints_every_label_above_its_threshold(edgekit, tags, noise):
    labels = {path: Classifier(tags).predict(path).labels for path in sorted(noise.parent.glob("t*.png"))}
    first = next(path for path, scores in labels.items() if len(scores) > 1)
    second = next(path for path, scores in labels.items() if not scores)
    expected = [labels[first], labels[second]]
    text = [", ".join(f"{s.label}  {100 * s.probability:.2f}%" for s in scores) or "none" for scores in expected]
    code, out, _ = edgekit("predict", first, second, "--model", tags)
    assert (code, out) == (0, f"{first}  {text[0]}\n{second}  {text[1]}\n")
    block = edgekit("predict", first, "--model", tags)[1].splitlines()
    assert [line.split()[0] for line in block[1:-1]] == [score.label for score in expected[0]]
    document = json.loads(edgekit("predict", first, "--model", tags, "--json")[1])
    assert [entry["label"] for entry in document["labels"]] == [score.label for score in expected[0]]
    assert len(document["top"]) == 4
    rows = list(csv.DictReader(StringIO(edgekit("predict", first, "--model", tags, "--csv")[1])))
    assert [row["label"] for row in rows] == [score.label for score in expected[0]]


def test_predict_prints_none_and_ranks_if_asked(edgekit, noise, tmp_path):
    none, image = write_tags(tmp_path / "none.onnx", thresholds=(0.9999,) * 4), noise.parent / "t0.png"
    assert edgekit("predict", image, noise.parent / "t1.png", "--model", none)[1].splitlines()[0] == f"{image}  none"
    assert edgekit("predict", image, "--model", none)[1] == f"{image}  none\n  model: {none}\n"
    assert edgekit("predict", image, "--model", none, "--csv")[1].splitlines()[1:] == [f"{image},0,none,,,"]
    ranked = edgekit("predict", image, "--model", none, "--top", "2")[1].splitlines()
    best = Classifier(none).predict(image).top[:2]
    assert [line.split()[0] for line in ranked[1:-1]] == [score.label for score in best]
    assert edgekit("predict", image, "--model", none, "--save", tmp_path / "drawn")[0] == 0
    assert (tmp_path / "drawn" / "t0.jpg").exists()


def test_evaluate_prints_map_and_the_classes(edgekit, tags, noise):
    code, out, _ = edgekit("evaluate", tags, noise)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "table.csv: 12 images, several labels each"
    assert lines[2].split() == ["model", "mAP", "95%", "interval", "micro", "F1", "macro", "F1"]
    assert lines[6].split() == ["class", "images", "AP", "threshold", "precision", "recall", "F1"]
    assert {f"{threshold:.4f}" for threshold in THRESHOLDS} == {line.split()[3] for line in lines[8:12]}
    code, out, _ = edgekit("evaluate", tags, noise, "--crops", "1", "--crops", "flip")
    assert "tags, flip vs tags, center: mAP " in out


def test_inspect_shows_task_and_thresholds(edgekit, tags, tmp_path):
    assert "thresholds    0.3 to 0.7\n" in edgekit("inspect", tags)[1]
    assert (
        "thresholds    0.5 for every class\n" in edgekit("inspect", write_tags(tmp_path / "a.onnx", thresholds=None))[1]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("crops", "TAGS", "TABLE"), "crop plans of a multi-label model are not compared here"),
        (("evaluate", "mobilenet_v2-cifar10", "TABLE"), "the images are multi-label, but the model is single-label"),
        (("predict", "IMAGE", "--model", "TAGS", "--crops", "adaptive"), "choose another --crops, such as 'flip'"),
        (("predict", "IMAGE", "--model", "TAGS", "--unknown-below", "0.5"), "leave out --unknown-below"),
        (("predict", "IMAGE", "--model", "TAGS", "--model", "mobilenet_v2-cifar10"), "must have the same task"),
    ],
)
def test_what_does_not_apply_is_refused_in_one_line(mistake, tags, noise, arguments, message):
    places = {"TAGS": tags, "TABLE": noise, "IMAGE": noise.parent / "t0.png"}
    assert message in mistake(*(places.get(argument, argument) for argument in arguments))[1]


def test_golden_vectors_have_all_probabilities_and_the_indexes_of_the_labels(edgekit, tags, tmp_path):
    path = tmp_path / "golden.onnx"
    assert edgekit("export", tags, "--golden", "3", "-o", path)[0] == 0
    document = json.loads((tmp_path / "golden.golden.json").read_text())
    assert (document["task"], document["thresholds"]) == ("multi-label", list(THRESHOLDS))
    for vector in document["vectors"]:
        above = [n for n, (p, t) in enumerate(zip(vector["probabilities"], THRESHOLDS, strict=True)) if p > t]
        assert vector["indexes"] == above
        assert "label" not in vector
