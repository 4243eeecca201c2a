"""The report page: complete, small, escaped, and shown by a real browser."""

import platform
import re

import numpy as np
import pytest
from made_models import LABELS, model_with_maps, tiny_model, write_tiny
from made_names import HOSTILE_NAMES
from made_reports import SCRIPT, Reader, hostile_evaluation, opened
from made_tags import evaluated_tags, tagged_images, write_tags
from onnx import numpy_helper

from edgekit import Classifier
from edgekit.dataset import ImageSet
from edgekit.errors import printable
from edgekit.evaluate.accuracy import Accuracy
from edgekit.evaluate.evaluation import evaluate
from edgekit.evaluate.multi_label_evaluation import evaluate_multi_label
from edgekit.evaluate.predictions import EvaluatedModel, Predictions, predict_all
from edgekit.report import write_report
from edgekit.report.class_table import class_table
from edgekit.report.confusion import confusion_section
from edgekit.report.page import page


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    write_report(hostile_evaluation(folder), folder / "report.html")
    return folder / "report.html"


def test_write_report_escapes_hostile_names(hostile_page):
    page = Reader(hostile_page.read_text())
    tags = [tag for tag, _ in page.elements]
    assert "script" not in tags
    assert tags.count("style") == 1
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert SCRIPT in page.text
    assert not {"\x1b", "\u202e"} & set(page.text)


@pytest.mark.parametrize("width", [360, 1400])
def test_report_shows_any_class_and_image_name_literally(tmp_path, width):
    labels = (r"$\frac$ a_b^c \\", "x" * 300, "שלום", "two\nlines")
    path, rng = write_tiny(tmp_path / "m.onnx", labels=labels), np.random.default_rng(0)
    sources = [rng.integers(0, 256, (8, 10, 3), np.uint8) for _ in HOSTILE_NAMES]
    truth = tuple(number % 4 for number in range(len(sources)))
    predictions = predict_all(
        [EvaluatedModel("m", path, Classifier(path))], ImageSet(labels, sources, HOSTILE_NAMES, truth)
    )
    evaluation = evaluate(predictions, data="drawn")
    write_report(evaluation, tmp_path / "report.html")
    text = Reader((tmp_path / "report.html").read_text()).text
    wrong = [HOSTILE_NAMES[mistake.image] for mistake in evaluation.models[0].mistakes]
    assert len(wrong) > 4
    assert all(printable(name) in text for name in (*labels, *wrong))
    _, console, content_width = opened(tmp_path / "report.html", width=width, scratch=tmp_path)
    assert console == []
    assert content_width <= width


def test_write_report_embeds_everything(hostile_page):
    page = Reader(hostile_page.read_text())
    assert not [tag for tag, _ in page.elements if tag in ("link", "iframe", "object", "embed", "base", "a", "form")]
    sources = [attributes["src"] for tag, attributes in page.elements if tag == "img"]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert not re.search(r"url\(|@import", hostile_page.read_text())
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


def test_write_report_counts_unreadable_images(hostile_page):
    assert "1 more unreadable" in Reader(hostile_page.read_text()).text


@pytest.mark.parametrize("width", [360, 1400])
def test_report_fits_the_width_of_a_browser_without_console_messages(hostile_page, tmp_path, width):
    content, console, content_width = opened(hostile_page, width=width, scratch=tmp_path)
    assert console == []
    assert content_width <= width
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content


@pytest.mark.slow
def test_report_of_a_thousand_classes_is_small_and_fits_a_browser(shared, tmp_path, tiny_thousand):
    from edgekit import dataset

    images = dataset.read(shared / "data/imagenet-photos", "held-out")
    models = [EvaluatedModel(name, tiny_thousand, Classifier(tiny_thousand), plan) for name, plan in PLANS.items()]
    write_report(evaluate(predict_all(models, images), data="photographs"), tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 5e6
    for width in (360, 1400):
        _, console, content_width = opened(tmp_path / "report.html", width=width, scratch=tmp_path)
        assert console == []
        assert content_width <= width


PLANS = {"one view": "center", "two views": "flip"}


@pytest.fixture
def tiny_thousand(shared, tmp_path):
    """An untrained model with ImageNet's thousand classes: a page full of mistakes, the largest possible one."""
    labels = tuple((shared / "data/imagenet-photos/imagenet_classes.txt").read_text().splitlines())
    model, weight = tiny_model(), np.random.default_rng(0).normal(0, 0.1, (240, 1000)).astype(np.float32)
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(weight, "weight"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1000
    return write_tiny(tmp_path / "thousand.onnx", model, labels=labels)


def test_write_report_shows_class_activation_maps_if_the_model_has_them(tmp_path):
    """The model averages its pixels, so that the mean of each map is the logit."""
    path = write_tiny(tmp_path / "maps.onnx", model_with_maps())
    rng = np.random.default_rng(0)
    sources = [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(12)]
    classes = Classifier(path).info.labels
    images = ImageSet(classes, sources, tuple(f"p{n}" for n in range(12)), tuple(n % 4 for n in range(12)))
    evaluation = evaluate(predict_all([EvaluatedModel("maps", path, Classifier(path))], images), data="drawn")
    write_report(evaluation, tmp_path / "report.html")
    page = Reader((tmp_path / "report.html").read_text())
    mistakes = len(evaluation.models[0].mistakes)
    assert sum(tag == "img" for tag, _ in page.elements) == 3 * mistakes > 0


def drawn_evaluation(folder, rows):
    """An evaluation of two models with different label orders; each row has the truth and both predictions."""
    orders, truth = (LABELS, LABELS[::-1]), [LABELS.index(row[0]) for row in rows]
    rng = np.random.default_rng(0)
    sources = [rng.integers(0, 256, (8, 10, 3), np.uint8) for _ in rows]
    images = ImageSet(LABELS, sources, tuple(f"p{n}" for n in range(len(rows))), tuple(truth))
    models, accuracies = [], []
    for number, labels in enumerate(orders):
        path = write_tiny(folder / f"m{number}.onnx", labels=labels)
        models.append(EvaluatedModel(f"m{number}", path, Classifier(path)))
        predicted = np.array([labels.index(row[number + 1]) for row in rows])
        own_truth = np.array([labels.index(row[0]) for row in rows])
        accuracies.append(Accuracy(own_truth, np.eye(len(labels))[predicted] * 0.9 + 0.025))
    return evaluate(Predictions(tuple(models), images, tuple(accuracies), ()), data="drawn")


def test_class_table_shows_changes_of_f1_for_any_order_of_labels(tmp_path):
    rows = [(label, label, label) for label in LABELS for _ in range(12)]
    evaluation = drawn_evaluation(tmp_path, [*rows, (LABELS[0], LABELS[1], LABELS[0])])
    first, second = evaluation.models
    assert "change" not in class_table(first, first)
    rows = class_table(second, first).split("</tr>")
    changed = {row.split("<bdi>")[1].split("<")[0]: row for row in rows if "+" in row or 'class="down' in row}
    assert set(changed) == {LABELS[0], LABELS[1]}
    assert all(re.search(r'class="up">\+4\.\d<', row) for row in changed.values())
    assert "too few" not in class_table(second, first)


def test_sections_qualify_figures_of_a_single_image_per_class(tmp_path):
    evaluation = drawn_evaluation(tmp_path, [(label, LABELS[0], label) for label in LABELS])
    assert "too few" in class_table(evaluation.models[0], evaluation.models[0])
    confusions = confusion_section(evaluation.models[0])
    assert "Confused pairs, once each" in confusions
    assert "strip" not in confusions


def test_page_states_the_calibration_error_without_the_temperature(tmp_path):
    path, rng = write_tiny(tmp_path / "w.onnx", temperature=0.25), np.random.default_rng(0)
    sources = [rng.integers(0, 256, (8, 10, 3), np.uint8) for _ in range(12)]
    images = ImageSet(LABELS, sources, tuple(map(str, range(12))), tuple(n % 4 for n in range(12)))
    model = EvaluatedModel("w", path, Classifier(path))
    metrics = (evaluation := evaluate(predict_all([model], images), data="drawn")).models[0]
    clause = f"(without the model's own temperature of 0.25, {100 * metrics.uncalibrated_ece:.2f}%)"
    assert clause in Reader(page(evaluation)).text
    plain = evaluate(predict_all([model], images, calibrated=False), data="drawn")
    assert "model's own temperature" not in Reader(page(plain)).text


def test_page_uses_one_color_for_each_model_and_states_its_calibration(tmp_path):
    evaluation = drawn_evaluation(tmp_path, [(LABELS[0], LABELS[1], LABELS[0]), *((label,) * 3 for label in LABELS)])
    text = page(evaluation)
    assert re.search(r'<span class="c1" style="flex-grow:1" title="only m1: 1">', text)
    assert re.search(r'<i class="key c1"></i><bdi>m1</bdi></h3>', text)
    assert "1 image. First line: " in text
    assert "Mean confidence 92.5%, accuracy 80.0%: overconfident." in text
    assert "Mean confidence 92.5%, accuracy 100.0%: underconfident." in text


def test_page_of_multi_label_models_shows_map_thresholds_and_wrong_labels(tmp_path):
    first = write_tags(tmp_path / "first.onnx")
    second = write_tags(tmp_path / "second.onnx", thresholds=(0.6, 0.3, 0.7, 0.5))
    models = [evaluated_tags(first, f"{SCRIPT} first"), evaluated_tags(second, "second")]
    images = tagged_images(first, 30)
    evaluation = evaluate_multi_label(predict_all(models, images), data="noise")
    read = Reader(page(evaluation))
    assert "script" not in [tag for tag, _ in read.elements]
    assert f"{100 * evaluation.models[0].mean_average_precision.value:.2f}%mAP" in read.text.replace(" mAP", "mAP")
    assert all(text in read.text for text in ("Micro F1", "Macro F1", "threshold", "0.300", "percentage points"))
    assert "Calibration" not in read.text
    assert "Confusion matrix" not in read.text
    images = [attributes for tag, attributes in read.elements if tag == "img"]
    assert len(images) == sum(len(metrics.mistakes) for metrics in evaluation.models) > 0


@pytest.mark.skipif(platform.machine().lower() in ("arm64", "aarch64"), reason="Arm times such files")
def test_page_shows_no_latency_of_a_file_that_only_arm_runs_fast(tmp_path):
    image = np.zeros((24, 24, 3), np.uint8)
    images = ImageSet(LABELS, [image] * 5, tuple(f"{number}.png" for number in range(5)), (0, 1, 2, 0, 1))
    paths = {
        "here": write_tiny(tmp_path / "here.onnx"),
        "arm": write_tiny(tmp_path / "arm.onnx", parity={"quantize": {"target": "arm64"}}),
    }
    models = {name: EvaluatedModel(name, path, Classifier(path)) for name, path in paths.items()}
    for order in (("here", "arm"), ("arm", "here"), ("arm",)):
        evaluation = evaluate(predict_all([models[name] for name in order], images), data="black")
        text = Reader(page(evaluation)).text
        assert text.count("not measured here; edgekit bundle --bench measures it on the device") == 1
        assert len(re.findall(r"Latency\d+\.\d ms", text)) == len(order) - 1
        assert ("Their speeds are not compared" in text) == (len(order) == 2)
