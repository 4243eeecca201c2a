"""Models without their large weights: edited and simplified as complete ones are, with the same result."""

import importlib

import numpy as np
import onnx
import onnxruntime
import pytest
from made_plain import SIZE, plain_model
from onnx import helper, numpy_helper

from edgekit.graph import large_weights
from edgekit.graph.large_weights import completed, parse, with_inputs_as_weights, with_weights_as_inputs

PIXELS = np.random.default_rng(0).normal(size=(2, 3, *SIZE)).astype(np.float32)


@pytest.fixture(autouse=True)
def _tiny_is_large(monkeypatch):
    monkeypatch.setattr(large_weights, "LEAST_BYTES", 100)


def outputs(model):
    return onnxruntime.InferenceSession(model).run(None, {"input": PIXELS})[0]


def absent(model):
    return [t.name for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]


def test_completed_restores_what_parse_left_out():
    data = plain_model().SerializeToString()
    model = parse(data)
    assert absent(model) == ["kernel", "head"]
    assert len(model.SerializeToString()) < len(data) / 1.5
    complete = b"".join(completed(model, data))
    np.testing.assert_array_equal(outputs(complete), outputs(data))
    assert numpy_helper.to_array(onnx.load_from_string(complete).graph.initializer[0]).shape == (8, 3, 3, 3)


def test_weights_become_inputs_for_other_tools_and_weights_again():
    data = plain_model(opset=11).SerializeToString()
    model = parse(data)
    as_inputs = with_weights_as_inputs(model)
    onnx.checker.check_model(as_inputs)
    assert [value.name for value in as_inputs.graph.input] == ["input", "kernel", "head"]
    converted = with_inputs_as_weights(onnx.version_converter.convert_version(as_inputs, 17), model)
    assert [value.name for value in converted.graph.input] == ["input"]
    np.testing.assert_array_equal(outputs(b"".join(completed(converted, data))), outputs(data))


def test_weights_that_a_batch_normalization_may_change_stay():
    model = plain_model()
    constants = {name: np.ones(8, np.float32) for name in ("scale", "shift", "mean", "variance")}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    model.graph.node.insert(1, helper.make_node("BatchNormalization", ["grid", *constants], ["normalized"]))
    model.graph.node[2].input[0] = "normalized"
    assert absent(parse(model.SerializeToString())) == ["head"]


def test_weights_that_other_operators_read_stay():
    model = plain_model()
    model.graph.node.insert(0, helper.make_node("Neg", ["head"], ["negative"]))
    model.graph.node[-1].input[1] = "negative"
    assert absent(parse(model.SerializeToString())) == ["kernel"]


def test_adopt_and_simplify_give_the_same_file_for_large_and_small_weights(tmp_path, monkeypatch):
    from edgekit import Preprocess
    from edgekit.export.adopt import adopt
    from edgekit.export.third_party import read_third_party

    path, logits = tmp_path / "third-party.onnx", {}
    path.write_bytes(plain_model(opset=11, end="softmax").SerializeToString())
    simplifiers = importlib.import_module("edgekit.export.simplify")._SIMPLIFIERS
    assert list(simplifiers) == ["onnxsim", "onnxslim"]
    preprocess = Preprocess(resize=14, crop=SIZE, mean=0.5, std=0.25)
    for least in (100, 2**24):
        monkeypatch.setattr(large_weights, "LEAST_BYTES", least)
        source = read_third_party(path)
        assert bool(absent(source.model)) == (least == 100)
        adoption = adopt(source, tmp_path / f"{least}.onnx", preprocess=preprocess, labels=list("abcd"))
        assert (adoption.simplified_by, adoption.batch) == ("onnxsim", None)
        pixels = np.random.default_rng(1).integers(0, 256, (2, *SIZE, 3), np.uint8)
        logits[least] = onnxruntime.InferenceSession(adoption.path).run(None, {"pixels": pixels})[0]
        assert len(onnx.load(adoption.path).graph.node) == len(onnx.load(tmp_path / "100.onnx").graph.node)
    np.testing.assert_array_equal(logits[100], logits[2**24])
