"""Heads: one score is two classes, sigmoids are several labels, and nothing ambiguous is guessed."""

import numpy as np
import onnx
import onnxruntime
import pytest
from made_plain import LABELS, SIZE, plain_model
from onnx import helper, numpy_helper

from edgekit import Classifier, Preprocess
from edgekit.errors import SpecError
from edgekit.export.adopt import adopt
from edgekit.export.heads import Head, compare_head, read_head
from edgekit.export.third_party import read_third_party
from edgekit.graph.index import Graph
from edgekit.preprocess.scores import sigmoid, softmax

PREPROCESS = Preprocess(resize=14, crop=SIZE, mean=0.5, std=0.25)
PIXELS = np.random.default_rng(0).integers(0, 256, (5, *SIZE, 3), np.uint8)

pytestmark = pytest.mark.usefixtures("unsimplified")


def adopted(folder, model, **options):
    source = folder / "third-party.onnx"
    source.write_bytes(model.SerializeToString())
    return adopt(read_third_party(source), folder / "new.onnx", preprocess=PREPROCESS, **options)


def source_outputs(model):
    """The outputs of the third-party model for PIXELS, by numpy and onnxruntime: (N, scores)."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    values = ((PIXELS / 255 - 0.5) / 0.25).transpose(0, 3, 1, 2).astype(np.float32)
    return session.run(None, {"input": values})[0].reshape(len(PIXELS), -1)


def columns(model):
    """Change an output of shape (N, 1) to (N,)."""
    model.graph.node[-1].output[0] = "column"
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "second_axis"))
    model.graph.node.append(helper.make_node("Squeeze", ["column", "second_axis"], ["output"]))
    del model.graph.output[0].type.tensor_type.shape.dim[1]
    return model


@pytest.mark.parametrize("labels", [("cat",), ("not cat", "cat")], ids=["one-name", "two-names"])
@pytest.mark.parametrize("end", ["logits", "sigmoid", "sigmoid-grid", "column"])
def test_a_single_score_becomes_the_second_of_two_classes(end, labels, tmp_path):
    model = columns(plain_model(classes=1)) if end == "column" else plain_model(end=end, classes=1)
    adoption = adopted(tmp_path, model, labels=labels)
    assert adoption.info.labels == ("not cat", "cat")
    assert adoption.info.task == "single-label"
    assert adoption.notes[-1] == "a single score x: the logits are 0 for 'not cat' and x for 'cat'"
    logits, expected = Classifier(adoption.path).logits(PIXELS), source_outputs(model)
    assert not logits[:, 0].any()
    if adoption.output_kind == "logits":
        np.testing.assert_allclose(logits[:, 1:], expected, atol=1e-5)
    else:
        np.testing.assert_allclose(softmax(logits)[:, 1:], expected, atol=1e-6)


@pytest.mark.parametrize("end", ["sigmoid", "sigmoid-grid", "sigmoids-joined"])
def test_several_sigmoids_are_several_labels(end, tmp_path):
    model = plain_model(end=end)
    adoption = adopted(tmp_path, model, labels=LABELS)
    assert (adoption.info.task, adoption.info.labels) == ("multi-label", LABELS)
    assert "multi-label: the 4 scores are sigmoids" in adoption.notes[-1]
    logits = Classifier(adoption.path).logits(PIXELS)
    np.testing.assert_allclose(sigmoid(logits), source_outputs(model), atol=1e-6)
    operators = {node.op_type for node in onnx.load(adoption.path).graph.node}
    assert ("Log" in operators) == (end == "sigmoids-joined")  # otherwise the logits are what the Sigmoid reads
    assert "Sigmoid" not in operators or end == "sigmoids-joined"


def test_a_model_of_logits_is_multi_label_if_the_user_says_so(tmp_path):
    model = plain_model()
    adoption = adopted(tmp_path, model, labels=LABELS, task="multi-label")
    assert (adoption.info.task, adoption.output_kind) == ("multi-label", "logits")
    np.testing.assert_allclose(Classifier(adoption.path).logits(PIXELS), source_outputs(model), atol=1e-5)


def test_probabilities_without_a_sigmoid_are_inverted(tmp_path):
    model = plain_model(end="hard-sigmoid")
    adoption = adopted(tmp_path, model, labels=LABELS, task="multi-label")
    assert adoption.output_kind == "probabilities"
    assert "probabilities by their values" in adoption.notes[-1]
    np.testing.assert_allclose(sigmoid(Classifier(adoption.path).logits(PIXELS)), source_outputs(model), atol=1e-6)


def with_rounded_output(model):
    """Round the outputs to multiples of 1/255, as quantizers do."""
    constants = {"step": np.array(1 / 255, np.float32), "zero": np.array(0, np.uint8)}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    model.graph.node[-1].output[0] = "exact"
    model.graph.node.append(helper.make_node("QuantizeLinear", ["exact", *constants], ["integers"]))
    model.graph.node.append(helper.make_node("DequantizeLinear", ["integers", *constants], ["output"]))
    return model


@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
def test_probabilities_that_are_rounded_to_integers_stay_what_they_are(end, tmp_path):
    model = with_rounded_output(plain_model(end=end))
    adoption = adopted(tmp_path, model, labels=LABELS)
    assert adoption.info.precision == "int8"
    assert f"the output of {end.capitalize()} is rounded to integers" in adoption.notes[-1]
    logits, expected = Classifier(adoption.path).logits(PIXELS), source_outputs(model)
    if end == "softmax":
        assert np.abs(expected.sum(axis=1) - 1).max() > 1e-3
        np.testing.assert_allclose(softmax(logits), expected / expected.sum(axis=1, keepdims=True), atol=1e-6)
    else:
        np.testing.assert_allclose(sigmoid(logits), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ({"end": "sigmoid"}, {"task": "single-label"}, "must be 'multi-label': each of the 4 outputs is a sigmoid"),
        ({"end": "sigmoid"}, {"output_kind": "logits"}, "ends in Sigmoid, so its outputs are not logits"),
        ({"end": "softmax"}, {"task": "multi-label"}, "must be 'single-label': the outputs sum to 1"),
        ({"end": "softmax", "classes": 1}, {"labels": ["a"]}, "ends in Softmax, but not over several classes"),
        ({"classes": 1}, {"labels": ["a"], "task": "multi-label"}, "needs several scores"),
        ({"classes": 1}, {}, r"the two names .* single score .* \(got 4 names\)"),
        ({"classes": 1}, {"labels": ["a"], "background": "first"}, "a single score has no background class"),
        ({"end": "sigmoid-percent"}, {}, r"sigmoids times a constant \(up to \d+"),
        ({"end": "sigmoid-percent", "classes": 1}, {"labels": ["a"]}, "sigmoids times a constant"),
        ({"end": "hard-sigmoid"}, {}, "between 0 and 1, but neither Softmax nor Sigmoid .* set `output_kind`"),
        ({"end": "hard-sigmoid"}, {"output_kind": "probabilities"}, "outputs are not probabilities"),
        ({}, {"task": "detection"}, "unknown task 'detection'; known: multi-label, single-label"),
        ({}, {"output_kind": "scores"}, "unknown output kind 'scores'"),
        ({}, {"background": "last"}, "unknown background 'last'"),
        (
            {"classes": 5},
            {},
            r"5 classes \(got 4 names\); if class 0 is a background class, set `background` to 'first'",
        ),
    ],
    ids=str,
)
def test_adopt_refuses_what_is_ambiguous_or_contradicts_the_model(model, options, message, tmp_path):
    with pytest.raises(SpecError, match=message):
        adopted(tmp_path, plain_model(**model), **{"labels": LABELS, **options})
    assert not (tmp_path / "new.onnx").exists()


def test_adopt_asks_for_the_kind_of_a_single_score_that_looks_like_both(tmp_path):
    model = plain_model(end="hard-sigmoid", classes=1)
    with pytest.raises(SpecError, match="set `output_kind`"):
        adopted(tmp_path, model, labels=["a"])
    adoption = adopted(tmp_path, model, labels=["a"], output_kind="probabilities")
    probabilities = softmax(Classifier(adoption.path).logits(PIXELS))[:, 1:]
    np.testing.assert_allclose(probabilities, source_outputs(model), atol=1e-6)


def scores_graph(classes):
    value = helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["N", classes])
    return Graph(helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["scores"])], "g", [], [value])))


@pytest.mark.parametrize(
    ("classes", "labels", "background", "kept"),
    [
        (1001, 1000, None, 1000),
        (1001, 1000, "first", 1000),
        (5, 4, "first", 4),
        (5, 5, "first", 4),
        (1001, 1001, None, 1001),
    ],
)
def test_a_background_class_is_inferred_for_imagenet_only(classes, labels, background, kept):
    outputs = np.random.default_rng(0).normal(size=(3, classes))
    names = [f"class {number}" for number in range(labels)]
    head = read_head(scores_graph(classes), outputs, name="m", labels=names, background=background)
    assert head.labels == tuple(names[labels - kept :])
    assert head.first == classes - kept
    assert any("background class" in note for note in head.notes) == (background is None and kept < classes)


@pytest.mark.parametrize("label", ["background", "Background", "__background__", "dummy"])
def test_a_background_class_is_inferred_from_its_label(label):
    outputs = np.random.default_rng(0).normal(size=(3, 5))
    head = read_head(scores_graph(5), outputs, name="m", labels=[label, *LABELS])
    assert (head.labels, head.first) == (LABELS, 1)
    assert f"class 0 ({label!r}) is taken for a background class" in head.notes[-1]
    kept = read_head(scores_graph(5), outputs, name="m", labels=[label, *LABELS], background="none")
    assert (kept.labels, kept.first) == ((label, *LABELS), 0)


def head(scores, kind, task):
    return Head(scores=scores, labels=LABELS, task=task, output_kind=kind, first=0, notes=())


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize(("scores", "task"), [(4, "single-label"), (4, "multi-label"), (1, "single-label")])
def test_compare_head_finds_logits_that_differ(scores, task, kind):
    logits = np.random.default_rng(0).normal(0, 2, (8, scores)).astype(np.float32)
    outputs = logits
    if kind == "probabilities":
        outputs = (softmax if scores > 1 and task == "single-label" else sigmoid)(logits).astype(np.float32)
    written = np.pad(logits, ((0, 0), (1, 0))) if scores == 1 else logits
    same = compare_head(outputs, written, head(scores, kind, task))
    assert same.relative_difference < 1e-6
    assert same.agreement == 1
    changed = written.copy()
    changed[3, -1] += 0.01
    assert compare_head(outputs, changed, head(scores, kind, task)).relative_difference > 1e-4
    assert compare_head(outputs, -written, head(scores, kind, task)).agreement < 1


def test_scores_of_a_linear_layer_are_logits_whatever_their_values(tmp_path):
    model = plain_model()
    for tensor in model.graph.initializer:
        if tensor.name in ("head", "bias"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * 1e-3 + 0.01, tensor.name))
    (tmp_path / "small.onnx").write_bytes(model.SerializeToString())
    adoption = adopt(
        read_third_party(tmp_path / "small.onnx"), tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS
    )
    assert adoption.output_kind == "logits"
