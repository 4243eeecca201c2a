"""Sizes that a graph computes: folded in a child process with limits, or the model stays refused."""

import numpy as np
import onnx
import pytest
from made_plain import LABELS, SIZE, plain_model
from onnx import TensorProto, helper, numpy_helper

from edgekit import Classifier, Preprocess
from edgekit.artifact.guard.scan import check_model, computes_sizes
from edgekit.errors import ArtifactError
from edgekit.export import folded_sizes
from edgekit.export.adopt import adopt
from edgekit.export.third_party import read_third_party
from edgekit.files import sha256

PREPROCESS = Preprocess(resize=14, crop=SIZE, mean=0.5, std=0.25)
PIXELS = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)


def with_computed_size(factor=1, value=0.0, **options):
    """Add the sum of a constant tensor to plain_model's features; its shape is `factor` times that of the features."""
    model = plain_model(**options)
    constants = {"factor": np.array([1, factor]), "rows": np.array([0]), "all": np.array([0, 1])}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    filling = helper.make_tensor("filling", TensorProto.FLOAT, [1], [value])
    nodes = [
        helper.make_node("Shape", ["flat"], ["extents"]),
        helper.make_node("Mul", ["extents", "factor"], ["size"]),
        helper.make_node("ConstantOfShape", ["size"], ["filled"], value=filling),
        helper.make_node("ReduceSum", ["filled", "all"], ["sum"], keepdims=1),
        helper.make_node("Add", ["flat", "sum"], ["flat_2"]),
    ]
    for number, node in enumerate(nodes):
        model.graph.node.insert(4 + number, node)
    model.graph.node[9].input[0] = "flat_2"
    return model


def saved(folder, model):
    path = folder / "third-party.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.usefixtures("unsimplified")
def test_adopt_folds_computed_sizes_first(tmp_path):
    path = saved(tmp_path, with_computed_size(batch=1))
    with pytest.raises(ArtifactError, match="ConstantOfShape generates a tensor whose size is not written in the file"):
        check_model(path.read_bytes(), name="file")
    source = read_third_party(path)
    assert source.notes[0].startswith("simplified first by onnxsim")
    assert source.sha256 == sha256(path.read_bytes())
    adoption = adopt(source, tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS)
    plain = adopt(
        read_third_party(saved(tmp_path, plain_model())), tmp_path / "plain.onnx", preprocess=PREPROCESS, labels=LABELS
    )
    np.testing.assert_allclose(
        Classifier(adoption.path).logits(PIXELS), Classifier(plain.path).logits(PIXELS), atol=1e-6
    )


@pytest.mark.parametrize(
    "options", [{"factor": 10**9, "batch": 1}, {"factor": 2, "batch": "N", "value": 0.01}], ids=["huge", "open"]
)
def test_a_model_whose_sizes_are_huge_or_open_stays_refused(options, tmp_path):
    path = saved(tmp_path, with_computed_size(**options))
    with pytest.raises(ArtifactError, match=r"third-party\.onnx: refused: operator ConstantOfShape .*; simplifying it"):
        read_third_party(path)


def test_a_child_that_does_not_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(folded_sizes, "_PROGRAM", "while True: pass")
    monkeypatch.setattr(folded_sizes, "TIME_LIMIT_S", 1)
    path = saved(tmp_path, with_computed_size(batch=1))
    with pytest.raises(ArtifactError, match="simplifying it under limits of 1 s and memory did not help"):
        read_third_party(path)


def test_no_child_is_started_for_a_model_that_is_refused_for_another_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(folded_sizes, "run_python", lambda *_, **__: pytest.fail("a child was started"))
    model = with_computed_size(batch=1)
    model.graph.node.add(op_type="Loop", output=["z"])
    assert not computes_sizes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="control flow"):
        read_third_party(saved(tmp_path, model))
    assert not computes_sizes(plain_model().SerializeToString())
    assert computes_sizes(with_computed_size().SerializeToString())
    assert onnx.load_from_string(with_computed_size().SerializeToString()).graph.node[6].op_type == "ConstantOfShape"
