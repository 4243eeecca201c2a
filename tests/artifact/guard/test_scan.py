"""Validation of model files: what is refused, what is accepted, and what it costs."""

import time
import tracemalloc

import made_models
import numpy as np
import onnx
import pytest
from made_models import divided_by, refused_files, refused_models, tiny_model
from onnx import TensorProto, helper

from edgekit.artifact.guard.model_limits import ModelLimits
from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.protobuf import delimited
from edgekit.errors import ArtifactError

REFUSED = {name: (model.SerializeToString(), reason) for name, model, reason in refused_models()}
REFUSED |= {name: (file, reason) for name, file, reason in refused_files()}


@pytest.mark.parametrize("name", REFUSED)
def test_check_model_states_the_reason_in_one_line(name):
    model, reason = REFUSED[name]
    with pytest.raises(ArtifactError, match=f"^file: refused: .*{reason}") as caught:
        check_model(model, name="file")
    assert str(caught.value).isprintable()


def test_check_model_refuses_two_graphs_which_protobuf_would_merge():
    first, second = tiny_model(), onnx.ModelProto()
    second.graph.node.add(op_type="Loop", output=["z"])
    with pytest.raises(ArtifactError, match="2 graphs"):
        check_model(first.SerializeToString() + second.SerializeToString(), name="file")


@pytest.mark.parametrize("form", ["raw_data", "typed", "packed"])
@pytest.mark.parametrize("data_type", [TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.DOUBLE])
def test_check_model_accepts_constants_in_every_form(form, data_type):
    values = np.arange(6).astype(helper.tensor_dtype_to_np_dtype(data_type))
    raw = form == "raw_data"
    tensor = helper.make_tensor("c", data_type, [2, 3], values.tobytes() if raw else values, raw=raw)
    model = tiny_model()
    model.graph.initializer.append(tensor)
    check_model(model.SerializeToString(), name="file")


def test_check_model_counts_the_fields_of_each_of_several_equal_attributes():
    def accepted(axes, max_fields):
        squares = [
            helper.make_node("Softmax", ["weight"], [f"soft{number}"], axis=axis) for number, axis in enumerate(axes)
        ]
        model = tiny_model(before=squares).SerializeToString()
        try:
            check_model(model, name="file", limits=ModelLimits(max_fields=max_fields))
        except ArtifactError as error:
            if "protobuf fields" not in str(error):
                raise
            return False
        return True

    needed = [
        next(limit for limit in range(30, 300) if accepted(axes, limit))
        for axes in ([0] * 5, [0] * 6, [0, 1, -1, -2, 0], [0, 1, -1, -2, 0, 1])
    ]
    assert needed[0] == needed[2] < needed[1] == needed[3]


def test_check_model_accepts_reasonable_sizes():
    sizes = [
        helper.make_node("Constant", [], ["shape"], value_ints=[1, 3, 64, 64]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("Constant", [], ["repeats"], value_ints=[1, 2]),
        helper.make_node("Tile", ["weight", "repeats"], ["twice"]),
        helper.make_node("Constant", [], ["pads"], value_ints=[0, 1, 0, 1]),
        helper.make_node("Pad", ["weight", "pads"], ["padded"]),
        helper.make_node("AveragePool", ["zeros"], ["pooled"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    ]
    check_model(tiny_model(before=sizes).SerializeToString(), name="file")


def test_check_model_accepts_safe_divisions():
    """Divisions by constants, of known floats after any number of steps, and of sizes by an integer."""
    nodes = [
        helper.make_node("Constant", [], ["two"], value_ints=[2]),
        helper.make_node("Shape", ["weight"], ["extents"]),
        helper.make_node("Div", ["extents", "two"], ["halves"]),
        helper.make_node("Mod", ["extents", "two"], ["rests"]),
        helper.make_node("ReduceMean", ["weight"], ["mean"]),
        helper.make_node("Sub", ["weight", "mean"], ["centered"]),
        helper.make_node("Mul", ["centered", "centered"], ["squares"]),
        helper.make_node("ReduceMean", ["squares"], ["variance"]),
        helper.make_node("Sqrt", ["variance"], ["deviation"]),
        helper.make_node("Div", ["centered", "deviation"], ["normalized_weight"]),
        helper.make_node("Cast", ["extents"], ["float_extents"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["float_extents"], ["sum"]),
        helper.make_node("Div", ["float_extents", "sum"], ["shares"]),
        helper.make_node("Constant", [], ["half"], value_float=0.5),
        helper.make_node("Div", ["shares", "half"], ["doubled"]),
    ]
    check_model(tiny_model(before=nodes).SerializeToString(), name="file")


@pytest.mark.parametrize("typed", [True, False])
def test_check_model_accepts_attributes_with_and_without_their_type(typed):
    """Old files do not state the type. If it is stated, a number that is 0 may be absent."""
    nodes = [
        helper.make_node("Constant", [], ["two"], value_int=2),
        helper.make_node("Cast", ["pixels"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Constant", [], ["text"], value_string="x"),
        helper.make_node("Constant", [], ["texts"], value_strings=["x", "y"]),
        helper.make_node("Constant", [], ["half"], value_floats=[0.5]),
        helper.make_node("Div", ["values", "half"], ["doubled"]),
    ]
    if typed:
        nodes.append(helper.make_node("Concat", ["half", "half"], ["both"], axis=0))
        nodes[-1].attribute[0].ClearField("i")
    else:
        for node in nodes:
            for attribute in node.attribute:
                attribute.ClearField("type")
    check_model(divided_by("two", *nodes).SerializeToString(), name="file")


def _counting(*between: onnx.NodeProto) -> bytes:
    """Build a model that counts from 0 to a size, as torch does for the indexes of a batch of any size."""
    nodes = [
        helper.make_node("Shape", ["pixels"], ["sizes"], start=0, end=1),
        *between,
        helper.make_node("Constant", [], ["axis"], value_ints=[0]),
        helper.make_node("Squeeze", ["sizes" if not between else between[-1].output[0], "axis"], ["count"]),
        helper.make_node("Constant", [], ["zero"], value_int=0),
        helper.make_node("Constant", [], ["one"], value_int=1),
        helper.make_node("Range", ["zero", "count", "one"], ["indexes"]),
    ]
    return tiny_model(before=nodes).SerializeToString()


def test_check_model_accepts_ranges_over_sizes_only():
    check_model(_counting(), name="file")
    check_model(_counting(helper.make_node("Mul", ["sizes", "sizes"], ["many"])), name="file")
    data = [helper.make_node("Cast", ["pixels"], ["integers"], to=TensorProto.INT64)]
    data.append(helper.make_node("ReduceMax", ["integers"], ["brightest"]))
    with pytest.raises(ArtifactError, match="cannot be predicted"):
        check_model(_counting(*data), name="file")


def test_check_model_applies_limits_exactly():
    data = tiny_model().SerializeToString()
    check_model(
        data, name="file", limits=ModelLimits(max_bytes=len(data), max_nodes=5, max_elements=made_models.WEIGHT.size)
    )
    for limits in (
        ModelLimits(max_bytes=len(data) - 1),
        ModelLimits(max_nodes=4),
        ModelLimits(max_elements=made_models.WEIGHT.size - 1),
        ModelLimits(max_fields=10),
    ):
        with pytest.raises(ArtifactError, match="refused"):
            check_model(data, name="file", limits=limits)


def test_check_model_refuses_metadata_that_would_exhaust_memory():
    data = tiny_model().SerializeToString()
    entries = [delimited(14, delimited(1, name) + delimited(2, b"a" * 8 * 2**20)) for name in (b"a", b"b")]
    check_model(data + entries[0], name="file")
    with pytest.raises(ArtifactError, match="more than 16777216 bytes of metadata"):
        check_model(data + b"".join(entries), name="file")


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"PK\x03\x04", b"\x08\x0a", b"\x3a\x00\x3a\x00"])
def test_check_model_refuses_files_that_are_not_models(data):
    with pytest.raises(ArtifactError, match=r"^file: refused"):
        check_model(data, name="file")


def test_check_model_takes_milliseconds_for_14_mb_and_copies_nothing(shared):
    data = (shared / "weights" / "mobilenet_v2_imagenet_plain.onnx").read_bytes()
    tracemalloc.start()
    check_model(data, name="file")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    seconds = []
    for _ in range(10):
        start = time.process_time()
        check_model(data, name="file")
        seconds.append(time.process_time() - start)
    assert peak < 2**20
    assert min(seconds) < 0.05  # 5 ms on an idle machine
