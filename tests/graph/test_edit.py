"""Edits of a graph: they change the model and keep the index current."""

import numpy as np
import onnx
import pytest
from made_networks import conv_network, logits
from onnx import helper

from edgekit.graph.edit import (
    add_constant,
    append_node,
    bypass_node,
    clear_name,
    copied,
    declare_output,
    free_name,
    insert_node,
    rename,
    replace_nodes,
    set_constant,
)
from edgekit.graph.index import Graph


@pytest.fixture
def graph() -> Graph:
    return Graph(conv_network())


def test_set_constant_replaces_and_adds(graph):
    for name in ("six", "new"):
        set_constant(graph, name, np.float32(5))
        assert graph.constant(name) == 5
    assert [tensor.name for tensor in graph.proto.initializer].count("six") == 1


def test_add_constant_uses_an_unused_name(graph):
    assert add_constant(graph, "stem", np.zeros(2)) == "stem_1"
    assert add_constant(graph, "stem", np.zeros(2)) == "stem_2"
    assert free_name(graph, "stem") == "stem_3"
    assert graph.constant("stem_2").shape == (2,)


def test_rename_also_renames_a_tensor_that_has_the_new_name(graph):
    expected = logits(graph.model)
    rename(graph, "flat", "stem")
    assert (graph.producer("stem").op_type, graph.producer("stem_1").op_type) == ("Flatten", "Conv")
    assert graph.only_consumer("stem").op_type == "Gemm"
    np.testing.assert_array_equal(logits(graph.model), expected)


def test_clear_name_renames_an_input(graph):
    clear_name(graph, "pixels")
    assert graph.proto.input[0].name == "pixels_1"
    assert graph.consumers("pixels_1")[0].op_type == "Transpose"


def test_insert_append_and_bypass_node_keep_the_index_current(graph):
    append_node(graph, helper.make_node("Relu", ["logits"], ["positive"]))
    assert graph.producer("positive").op_type == "Relu"
    insert_node(graph, 0, helper.make_node("Identity", ["pixels"], ["same"]))
    assert graph.nodes[0].output[0] == "same"
    bypass_node(graph, graph.producer("expand_relu6"))
    assert [node.name for node in graph.consumers("expand")] == ["depthwise"]


def test_replace_nodes_removes_unused_initializers(graph):
    replace_nodes(graph, [node for node in graph.nodes if node.op_type != "Gemm"])
    assert graph.constant("fc.w") is None
    assert graph.constant("stem.w") is not None
    assert graph.producer("logits") is None


def test_declare_output_gives_a_valid_model(graph):
    declare_output(graph, "flat", ("batch", 8))
    assert "flat" in graph.outputs
    onnx.checker.check_model(graph.model, full_check=True)


def test_copied_is_a_deep_copy():
    model = conv_network()
    copied(model).graph.node[0].name = "changed"
    assert model == conv_network()
