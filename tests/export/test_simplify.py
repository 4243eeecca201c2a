"""simplify: fewer nodes and the same logits, or the unchanged graph."""

import importlib

import numpy as np
import onnx
import pytest
from made_models import CROP, tiny_logits

from edgekit import Classifier
from edgekit.artifact.info import read_info
from edgekit.export.simplify import describe_simplifier, simplify
from edgekit.files import sha256

module = importlib.import_module("edgekit.export.simplify")  # `edgekit.export.simplify` is a function
CRASH = "import os; os.abort()"
FIXED_BATCH = """
import sys, onnx
model = onnx.load(sys.argv[1])
for value in (*model.graph.input, *model.graph.output):
    value.type.tensor_type.shape.dim[0].dim_value = 1
onnx.save(model, sys.argv[2])
"""
OTHER_LOGITS = """
import sys, onnx, numpy
model = onnx.load(sys.argv[1])
for tensor in model.graph.initializer:
    values = onnx.numpy_helper.to_array(tensor)
    if values.dtype == numpy.float32:
        tensor.CopyFrom(onnx.numpy_helper.from_array(values * 1.5, tensor.name))
onnx.save(model, sys.argv[2])
"""
NEVER_ENDS = "import time; time.sleep(60)"
WRITES_NOTHING = "pass"
WRITES_INVALID_MODEL = "import sys; open(sys.argv[2], 'w').write('not a model')"
OTHER_SHAPE = """
import sys, onnx, numpy
model = onnx.load(sys.argv[1])
model.graph.node[-1].output[0] = "before"
model.graph.initializer.append(onnx.numpy_helper.from_array(numpy.array([0, 1]), "indexes"))
model.graph.node.append(onnx.helper.make_node("Gather", ["before", "indexes"], ["logits"], axis=1))
model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 2
onnx.save(model, sys.argv[2])
"""
CANNOT_RUN = """
import sys, onnx, numpy
model = onnx.load(sys.argv[1])
model.graph.node[-1].output[0] = "before"
model.graph.initializer.append(onnx.numpy_helper.from_array(numpy.array([5]), "wrong"))
model.graph.node.append(onnx.helper.make_node("Gather", ["before", "wrong"], ["logits"]))
onnx.save(model, sys.argv[2])
"""


def test_simplify_keeps_the_logits_and_records_the_parent(tiny_artifact, tmp_path):
    path = tmp_path / "simplified.onnx"
    simplifier = simplify(tiny_artifact, path)
    info = read_info(path)
    assert simplifier == info.parity["simplify"]["by"] == "onnxsim"
    assert info.parent_sha256 == sha256(tiny_artifact.read_bytes())
    assert len(onnx.load(path).graph.node) <= len(onnx.load(tiny_artifact).graph.node)
    pixels = np.random.default_rng(0).integers(0, 256, (3, *CROP, 3), np.uint8)
    np.testing.assert_allclose(Classifier(path).logits(pixels), tiny_logits(pixels), atol=1e-4)


FAILING = (CRASH, FIXED_BATCH, OTHER_LOGITS, NEVER_ENDS, WRITES_NOTHING, WRITES_INVALID_MODEL, OTHER_SHAPE, CANNOT_RUN)


@pytest.mark.parametrize("program", FAILING)
def test_simplify_rejects_a_simplifier_that_fails_or_changes_the_model(program, tiny_artifact, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SIMPLIFIERS", {"broken": program})
    monkeypatch.setattr(module, "TIME_LIMIT_S", 5)
    path = tmp_path / "simplified.onnx"
    assert simplify(tiny_artifact, path) == "none"
    assert onnx.load(path).graph == onnx.load(tiny_artifact).graph
    assert read_info(path).parity["simplify"]["by"] == "none"
    assert describe_simplifier("none").startswith("not simplified")


def test_simplify_tries_the_next_simplifier(tiny_artifact, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SIMPLIFIERS", {"broken": CRASH, "onnxslim": module._SIMPLIFIERS["onnxslim"]})
    assert simplify(tiny_artifact, tmp_path / "simplified.onnx") == "onnxslim"
