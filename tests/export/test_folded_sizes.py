"""Sizes that a graph computes: folded in a child process with limits, or the model stays refused."""

import numpy as np
import pytest
from made_plain import LABELS, SIZE, plain_model
from onnx import TensorProto, helper, numpy_helper

from edgekit import Classifier, Preprocess
from edgekit.artifact.guard.scan import check_model
from edgekit.errors import ArtifactError
from edgekit.export import folded_sizes
from edgekit.export.adopt import adopt
from edgekit.export.third_party import read_third_party
from edgekit.files import sha256

PREPROCESS = Preprocess(resize=14, crop=SIZE, mean=0.5, std=0.25)
PIXELS = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)


def with_size_of_data(source="mask", **options):
    """Add a NonZero to plain_model, whose output has as many columns as values are not 0.

    source: mask, a constant of ones that selects all features; or flat, the features themselves, in a sum times 0.
    """
    model = plain_model(**options)
    constants = {
        "mask": np.ones(8, np.float32),
        "one": np.array([1]),
        "all": np.array([0, 1]),
        "none": np.float32(0),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    if source == "mask":
        nodes = [
            helper.make_node("NonZero", ["mask"], ["found"]),
            helper.make_node("Gather", ["flat", "found"], ["selected"], axis=1),
            helper.make_node("Squeeze", ["selected", "one"], ["flat_2"]),
        ]
    else:
        nodes = [
            helper.make_node("NonZero", ["flat"], ["found"]),
            helper.make_node("Cast", ["found"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceSum", ["floats", "all"], ["sum"], keepdims=1),
            helper.make_node("Mul", ["sum", "none"], ["zero"]),
            helper.make_node("Add", ["flat", "zero"], ["flat_2"]),
        ]
    for number, node in enumerate(nodes):
        model.graph.node.insert(4 + number, node)
    model.graph.node[4 + len(nodes)].input[0] = "flat_2"
    return model


def saved(folder, model):
    path = folder / "third-party.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.usefixtures("unsimplified")
def test_adopt_folds_computed_sizes_first(tmp_path):
    path = saved(tmp_path, with_size_of_data())
    with pytest.raises(ArtifactError, match=r"NonZero.* takes a time that cannot be predicted"):
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


def test_a_model_whose_sizes_depend_on_the_image_stays_refused(tmp_path):
    path = saved(tmp_path, with_size_of_data("flat"))
    with pytest.raises(ArtifactError, match=r"third-party\.onnx: refused: operator 'NonZero' .*; simplifying it"):
        read_third_party(path)


def test_a_child_that_does_not_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(folded_sizes, "_PROGRAM", "while True: pass")
    monkeypatch.setattr(folded_sizes, "TIME_LIMIT_S", 1)
    path = saved(tmp_path, with_size_of_data())
    with pytest.raises(ArtifactError, match="simplifying it under limits of 1 s and memory did not help"):
        read_third_party(path)


def test_no_child_is_started_for_a_model_that_is_refused_for_another_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(folded_sizes, "run_python", lambda *_, **__: pytest.fail("a child was started"))
    model = with_size_of_data()
    model.graph.node.add(op_type="Loop", output=["z"])
    with pytest.raises(ArtifactError, match="control flow"):
        read_third_party(saved(tmp_path, model))
    assert read_third_party(saved(tmp_path, plain_model())).notes == ()
