"""Nodes that would run for minutes are refused before the model is loaded, and the networks that exist are not."""

import re
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_costs import costly_nodes, node_model, unpredictable_nodes, without_weights
from made_models import tiny_model
from made_mutants import mutants
from onnx import helper, numpy_helper

from edgekit.artifact.guard.model_limits import ModelLimits
from edgekit.artifact.guard.operators import OPERATORS
from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.guard.size_values import VALUE_RULES
from edgekit.artifact.protobuf import delimited, integer
from edgekit.errors import ArtifactError, SpecError

MODELS = Path(__file__).parents[3] / "models"
COSTLY = {name: model.SerializeToString() for name, model in costly_nodes()}
UNPREDICTABLE = {name: model.SerializeToString() for name, model in unpredictable_nodes()}
PRODUCT = node_model("MatMul", ["f 500 500", "f 500 500"], 1, "").SerializeToString()
NEEDED = r"needs about 1\.6e\+07 operations"  # 500^3 / 16, and what is proportional to a side
WALL_S = 20  # of the mutants; 2 s on an idle machine


def test_at_least_60_costly_operators_are_tried():
    assert len(COSTLY) >= 60


@pytest.mark.parametrize("name", COSTLY)
def test_guard_refuses_costly_node_with_its_cost_and_the_limit(name):
    operator = name.split("-")[0]
    with pytest.raises(ArtifactError) as caught:
        check_model(COSTLY[name], name="file")
    cost = r"needs about \d\.\de\+\d\d operations, more than the limit of 2\.[12]e\+09"
    expected = rf"file: refused: operator '{operator}' \(output 'out0'\) {cost}; raise the limit with EDGEKIT_\w+"
    assert re.fullmatch(expected, str(caught.value))


@pytest.mark.parametrize("name", UNPREDICTABLE)
def test_guard_refuses_node_whose_cost_cannot_be_predicted(name):
    with pytest.raises(ArtifactError, match=r"cannot be predicted; .* EDGEKIT_MAX_NODE_OPERATIONS=unlimited$"):
        check_model(UNPREDICTABLE[name], name="file")


@pytest.mark.parametrize("path", sorted(MODELS.glob("*/*.onnx")), ids=lambda path: path.stem)
def test_guard_accepts_built_in_models_at_a_hundredth_of_the_limit(path):
    check_model(path.read_bytes(), name=path.name, limits=ModelLimits(max_node_operations=2**31 // 100))


@pytest.mark.parametrize("path", sorted(MODELS.glob("templates/*.template")), ids=lambda path: path.stem)
def test_guard_accepts_every_network_of_the_zoo(path):
    check_model(without_weights(path), name=path.name, limits=ModelLimits(max_generated_elements=2**28))


def test_guard_accepts_a_third_party_network(shared):
    data = (shared / "weights" / "mobilenet_v2_imagenet_plain.onnx").read_bytes()
    check_model(data, name="plain", limits=ModelLimits(max_node_operations=2**31 // 100))


def test_limit_grows_with_the_file_as_the_time_limit_does():
    limits = ModelLimits(max_node_operations=15_000_000)
    with pytest.raises(ArtifactError, match=NEEDED):
        check_model(PRODUCT, name="file", limits=limits)
    padded = onnx.load_from_string(PRODUCT)
    padded.graph.initializer.append(numpy_helper.from_array(np.zeros(3_000_000, np.uint8), "padding"))
    check_model(padded.SerializeToString(), name="file", limits=limits)


def test_environment_sets_the_limit_unless_the_caller_does(monkeypatch):
    monkeypatch.setenv("EDGEKIT_MAX_NODE_OPERATIONS", "10000000")
    with pytest.raises(ArtifactError, match=f"{NEEDED}, more than the limit of 1.0e"):
        check_model(PRODUCT, name="file")
    check_model(PRODUCT, name="file", limits=ModelLimits(max_node_operations=2**30))
    monkeypatch.setenv("EDGEKIT_MAX_NODE_OPERATIONS", "unlimited")
    for data in (*COSTLY.values(), *UNPREDICTABLE.values()):
        check_model(data, name="file")


@pytest.mark.parametrize("setting", ["plenty", "0", "-1", "1e9", str(2**63)])
def test_environment_must_be_a_limit(monkeypatch, setting):
    monkeypatch.setenv("EDGEKIT_MAX_NODE_OPERATIONS", setting)
    with pytest.raises(SpecError, match="`EDGEKIT_MAX_NODE_OPERATIONS` must be an integer from 1, or unlimited"):
        check_model(PRODUCT, name="file")


def _outer_product(batch: object = "n") -> bytes:
    """Multiply a batch by itself: 60 elements of each image, so the cost grows with the square of the batch."""
    rows = helper.make_node("Reshape", ["x", "column"], ["rows"])
    turned = helper.make_node("Transpose", ["rows"], ["columns"])
    product = helper.make_node("MatMul", ["rows", "columns"], ["y"])
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [batch, 3, 4, 5])
    constants = [numpy_helper.from_array(np.array([-1, 1]), "column")]
    graph = helper.make_graph([rows, turned, product], "outer", [x], [onnx.ValueInfoProto(name="y")], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]).SerializeToString()


def test_check_costs_scales_the_limit_with_the_batch_but_not_with_its_square():
    graph = check_model(_outer_product(), name="file", limits=ModelLimits(max_node_operations=200_000))
    assert graph.check_costs((2, 3, 4, 5))["y"] == (120, 120)
    with pytest.raises(ArtifactError, match="operations, more than the limit of 8"):
        graph.check_costs((40, 3, 4, 5))


def test_check_costs_uses_declared_extents_and_224_for_open_ones():
    assert check_model(_outer_product(7), name="file").check_costs((1, 3, 4, 5))["y"] == (420, 420)
    model = tiny_model()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "height"
    del model.graph.node[3:]
    shapes = check_model(model.SerializeToString(), name="file").check_costs()
    assert shapes["normalized"] == (1, 224, 10, 3)
    assert check_model(model.SerializeToString(), name="file").check_costs((1, 99))["normalized"] == (1, 99, 10, 3)


def test_check_model_refuses_an_extent_that_is_stated_twice():
    """ONNX Runtime would use the name, and so another extent than the guard."""
    model = onnx.load_from_string(_outer_product())
    model.graph.ClearField("input")
    for dimensions, refused in (
        ((integer(1, 1), delimited(2, b"n")), False),
        ((integer(1, 1) + delimited(2, b"n"),), True),
    ):
        shape = b"".join(delimited(1, dimension) for dimension in (*dimensions, *[integer(1, 4)] * 2))
        tensor = delimited(1, integer(1, 1) + delimited(2, shape))
        graph = model.graph.SerializeToString() + delimited(11, delimited(1, b"x") + delimited(2, tensor))
        with pytest.raises(ArtifactError, match="states its extent twice") if refused else nullcontext():
            check_model(delimited(7, graph), name="file")


@pytest.mark.parametrize("change", ["redefined", "undefined", "cyclic"])
def test_guard_refuses_graphs_that_are_not_in_order(change):
    model = onnx.load_from_string(_outer_product())
    if change == "redefined":
        model.graph.node[1].output[0] = "rows"
    elif change == "undefined":
        model.graph.node[0].input[0] = "absent"
    else:
        model.graph.node[0].input[0] = "y"
    with pytest.raises(ArtifactError, match="defined twice" if change == "redefined" else "do not fit together"):
        check_model(model.SerializeToString(), name="file")


def test_every_value_rule_belongs_to_an_accepted_operator():
    assert set(VALUE_RULES) <= set(OPERATORS)


def test_mutated_models_raise_nothing_but_artifact_errors():
    originals = [*list(COSTLY.values())[::4], *list(UNPREDICTABLE.values())[-5:], _outer_product()]
    originals.append((MODELS / "lenet5-mnist" / "lenet5-mnist-int8.onnx").read_bytes())
    start, accepted, count = time.monotonic(), 0, 500
    for data in mutants(originals, count, seed=1):
        try:
            check_model(data, name="file")
        except ArtifactError:
            continue
        accepted += 1
    assert 0 < accepted < count
    assert time.monotonic() - start < WALL_S
