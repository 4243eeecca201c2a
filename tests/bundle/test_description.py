"""NAME.json: what a port reads in place of the model's metadata."""

import dataclasses
import json

import pytest
from made_models import CROP, LABELS, tiny_info, tiny_model, write_tiny

from edgekit.artifact.info import read_info
from edgekit.bundle.description import batch_size, describe_model
from edgekit.errors import ArtifactError
from edgekit.files import sha256
from edgekit.hub.built_in import built_in_models
from edgekit.preprocess.spec import Preprocess


@pytest.fixture
def described(tiny_artifact):
    return describe_model(tiny_artifact.read_bytes(), tiny_info(), name="tiny", file="tiny.onnx")


def test_describe_model_states_what_a_port_needs(described, tiny_artifact):
    assert json.loads(json.dumps(described)) == described
    assert (described["schema"], described["labels"], described["task"]) == (1, list(LABELS), "single-label")
    assert described["sha256"] == sha256(tiny_artifact.read_bytes())
    assert described["bytes"] == tiny_artifact.stat().st_size
    assert described["input"] == {"name": "pixels", "type": "uint8", "shape": [None, *CROP, 3]}
    assert described["scoring"] == {"output": "logits", "probabilities": "softmax"}
    assert (described["temperature"], described["thresholds"], described["ort"]) == (None, None, None)


def test_describe_model_writes_out_every_field_of_the_preprocessing(described):
    assert set(described["preprocess"]) == {field.name for field in dataclasses.fields(Preprocess)}
    assert described["preprocess"]["fill"] == [0, 0, 0]
    assert described["preprocess"]["fit"] == "short-edge"
    assert Preprocess.from_dict(described["preprocess"]) == tiny_info().preprocess


def test_describe_model_states_target_scheme_and_accuracy():
    path = built_in_models()["mobilenet_v2-cifar10-int8"]
    info = read_info(path)
    described = describe_model(path.read_bytes(), info, name="m", file="m.onnx")
    assert (described["target"], described["scheme"], described["precision"]) == ("x86-avx2", "int8", "int8")
    assert described["accuracy"] == info.metrics


def test_describe_model_writes_out_default_thresholds(tiny_artifact):
    info = tiny_info(task="multi-label")
    described = describe_model(tiny_artifact.read_bytes(), info, name="tiny", file="tiny.onnx")
    assert described["thresholds"] == [0.5] * len(LABELS)
    assert described["scoring"]["probabilities"] == "sigmoid"


def test_batch_size_is_that_of_the_graph(tmp_path):
    model = tiny_model()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    path = write_tiny(tmp_path / "four.onnx", model)
    assert batch_size(path.read_bytes(), name="four") == 4
    assert describe_model(path.read_bytes(), tiny_info(), name="f", file="f.onnx")["input"]["shape"][0] == 4
    with pytest.raises(ArtifactError, match="junk"):
        batch_size(b"junk", name="junk")
