"""clean: the same outputs, no traces of other tools."""

import numpy as np
import pytest
from made_networks import conv_network, logits
from onnx import helper

from edgekit.errors import ArtifactError
from edgekit.graph.passes.clean import clean, serialized


def traced_model():
    model = conv_network()
    model.producer_name, model.doc_string, model.graph.name = "tool", "/srv/somebody", "/srv/somebody/train.py"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    model.graph.node[0].doc_string = "/srv/somebody/train.py, line 12"
    model.graph.node[0].metadata_props.add(key="path", value="/srv/somebody")
    return model


def test_clean_removes_paths_producers_and_unused_operator_sets():
    model = clean(traced_model())
    assert b"somebody" not in model.SerializeToString()
    assert (model.producer_name, [entry.domain for entry in model.opset_import]) == ("edgekit", [""])
    np.testing.assert_array_equal(logits(model), logits(traced_model()))


def test_serialized_gives_the_same_bytes_for_the_same_model():
    assert serialized(traced_model()) == serialized(clean(conv_network()))


def test_serialized_reports_a_model_that_is_not_valid():
    model = conv_network()
    model.graph.output[0].type.tensor_type.ClearField("shape")
    with pytest.raises(ArtifactError, match=r"^the model is not valid ONNX: Field 'shape' of .* missing\.$"):
        serialized(model)
