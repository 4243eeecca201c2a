"""The page: whole, small, escaped, and readable in a real browser."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from made_models import LABELS, tiny_model, write_tiny
from made_reports import SCRIPT, hostile_evaluation, opened
from onnx import TensorProto, helper, numpy_helper

from edgekit import Classifier
from edgekit.dataset import ImageSet
from edgekit.evaluate.accuracy import Accuracy
from edgekit.evaluate.evaluation import evaluate
from edgekit.evaluate.predictions import EvaluatedModel, Predictions, predict_all
from edgekit.report import write_report
from edgekit.report.class_table import class_table
from edgekit.report.confusion import confusion_section
from edgekit.report.page import page


class Reader(HTMLParser):
    """Every element with its attributes, and all text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    write_report(hostile_evaluation(folder), folder / "report.html")
    return folder / "report.html"


def test_hostile_names_stay_text(hostile_page):
    page = Reader(hostile_page.read_text())
    tags = [tag for tag, _ in page.elements]
    assert "script" not in tags
    assert tags.count("style") == 1
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert SCRIPT in page.text
    assert not {"\x1b", "\u202e"} & set(page.text)


def test_nothing_is_fetched(hostile_page):
    page = Reader(hostile_page.read_text())
    assert not [tag for tag, _ in page.elements if tag in ("link", "iframe", "object", "embed", "base", "a", "form")]
    sources = [attributes["src"] for tag, attributes in page.elements if tag == "img"]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert not re.search(r"url\(|@import", hostile_page.read_text())
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


def test_what_could_not_be_read_is_listed(hostile_page):
    assert "1 more could not be read" in Reader(hostile_page.read_text()).text


@pytest.mark.parametrize("width", [360, 1400])
def test_in_a_browser(hostile_page, tmp_path, width):
    content, said, wide = opened(hostile_page, width=width, scratch=tmp_path)
    assert said == []
    assert wide <= width
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content


@pytest.mark.slow
def test_two_models_on_the_photographs(shared, tmp_path, tiny_thousand):
    from edgekit import dataset

    images = dataset.read(shared / "data/imagenet-photos", "held-out")
    models = [EvaluatedModel(name, tiny_thousand, Classifier(tiny_thousand), plan) for name, plan in PLANS.items()]
    write_report(evaluate(predict_all(models, images), data="photographs"), tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 5e6
    for width in (360, 1400):
        _, said, wide = opened(tmp_path / "report.html", width=width, scratch=tmp_path)
        assert said == []
        assert wide <= width


PLANS = {"one view": "center", "two views": "flip"}


@pytest.fixture
def tiny_thousand(shared, tmp_path):
    """A model of ImageNet's thousand classes that knows nothing: a page full of mistakes, the largest there can be."""
    labels = tuple((shared / "data/imagenet-photos/imagenet_classes.txt").read_text().splitlines())
    model, weight = tiny_model(), np.random.default_rng(0).normal(0, 0.1, (240, 1000)).astype(np.float32)
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(weight, "weight"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1000
    return write_tiny(tmp_path / "thousand.onnx", model, labels=labels)


def test_class_activation_maps_are_shown_where_the_file_has_them(tmp_path):
    """Maps whose mean is the logit, of a network that averages its pixels."""
    path = write_tiny(tmp_path / "maps.onnx", with_maps())
    rng = np.random.default_rng(0)
    sources = [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(12)]
    classes = Classifier(path).info.labels
    images = ImageSet(classes, sources, tuple(f"p{n}" for n in range(12)), tuple(n % 4 for n in range(12)))
    evaluation = evaluate(predict_all([EvaluatedModel("maps", path, Classifier(path))], images), data="drawn")
    write_report(evaluation, tmp_path / "report.html")
    page = Reader((tmp_path / "report.html").read_text())
    mistakes = len(evaluation.models[0].mistakes)
    assert sum(tag == "img" for tag, _ in page.elements) == 3 * mistakes > 0


def with_maps():
    """The tiny model with an output of maps beside its logits: each pixel's share in each class."""
    model = tiny_model()
    weight = numpy_helper.from_array(np.random.default_rng(0).normal(0, 1, (3, 4)).astype(np.float32), "each")
    model.graph.initializer.append(weight)
    model.graph.node.append(helper.make_node("MatMul", ["normalized", "each"], ["last"]))
    model.graph.node.append(helper.make_node("Transpose", ["last"], ["maps"], perm=[0, 3, 1, 2]))
    model.graph.output.append(helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["batch", 4, 8, 10]))
    return model


def drawn_evaluation(folder, rows):
    """An evaluation of two models whose label orders differ; rows: the truth and both predictions, by their names."""
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


def test_what_changed_of_a_class_is_said_whatever_the_order_of_the_labels(tmp_path):
    rows = [(label, label, label) for label in LABELS for _ in range(12)]
    evaluation = drawn_evaluation(tmp_path, [*rows, (LABELS[0], LABELS[1], LABELS[0])])
    first, second = evaluation.models
    assert "change" not in class_table(first, first)
    rows = class_table(second, first).split("</tr>")
    changed = {row.split("<bdi>")[1].split("<")[0]: row for row in rows if "+" in row or 'class="down' in row}
    assert set(changed) == {LABELS[0], LABELS[1]}
    assert all(re.search(r'class="up">\+4\.\d<', row) for row in changed.values())
    assert "too few" not in class_table(second, first)


def test_one_image_of_a_class_is_called_too_few_and_no_confusion_the_most(tmp_path):
    evaluation = drawn_evaluation(tmp_path, [(label, LABELS[0], label) for label in LABELS])
    assert "too few" in class_table(evaluation.models[0], evaluation.models[0])
    confusions = confusion_section(evaluation.models[0])
    assert "Confused once each" in confusions
    assert "strip" not in confusions


def test_a_models_color_is_the_same_in_the_verdict_and_on_its_card(tmp_path):
    evaluation = drawn_evaluation(tmp_path, [(LABELS[0], LABELS[1], LABELS[0]), *((label,) * 3 for label in LABELS)])
    text = page(evaluation)
    assert re.search(r'<span class="c1" style="flex-grow:1" title="only m1: 1">', text)
    assert re.search(r'<i class="key c1"></i><bdi>m1</bdi></h3>', text)
    assert "1 image. Above" in text
    assert "92.5% sure in the mean, and right in 80.0%: too sure." in text
    assert "92.5% sure in the mean, and right in 100.0%: too modest." in text
