"""Multiply-accumulates of ONNX nodes, compared with textbook arithmetic."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.cost import total
from edgekit.errors import ArtifactError
from edgekit.graph.layer_costs import layers


def model(nodes, inputs, outputs, weights):
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]).SerializeToString()


def test_layers_counts_convolutions_and_matrix_products():
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["y"], pads=[2, 2, 2, 2], name="conv"),
        helper.make_node("GlobalAveragePool", ["y"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "v"], ["z"], transB=1, name="fc"),
    ]
    weights = {"w": (32, 192, 5, 5), "b": (32,), "v": (10, 32)}
    rows = layers(model(nodes, {"x": ["n", 192, 28, 28]}, {"z": ["n", 10]}, weights), name="test")
    assert [(row.name, row.output, row.parameters, row.macs) for row in rows] == [
        ("conv", (32, 28, 28), 32 * 192 * 25 + 32, 120_422_400),
        ("pool", (32, 1, 1), 0, 0),
        ("flat", (32,), 0, 0),
        ("fc", (10,), 320, 320),
    ]
    assert total(rows).macs == 120_422_720


def test_layers_counts_one_input_channel_per_filter_of_a_depthwise_convolution():
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], group=3)]
    rows = layers(model(nodes, {"x": [1, 3, 6, 6]}, {"y": [1, 3, 4, 4]}, {"w": (3, 1, 3, 3)}), name="test")
    assert total(rows).macs == 432


def test_layers_raises_for_a_dynamic_height_and_width():
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    with pytest.raises(ArtifactError, match=r"^test: the output of node .* has no fixed shape$"):
        layers(model(nodes, {"x": ["n", 3, "h", "w"]}, {"y": ["n", 3, "h", "w"]}, {}), name="test")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "its graph contains no nodes"),
        (b"\x0a\x03abc", "its graph contains no nodes"),
        (b"\xff\xff\xff", "not an ONNX file, or a truncated one"),
        (model([], {"x": [1]}, {"x": [1]}, {}), "its graph contains no nodes"),
        (model([helper.make_node("Relu", ["absent"], ["y"])], {"x": []}, {"y": []}, {}), "cannot infer its shapes: "),
        (
            model([helper.make_node("NoSuchOperator", ["x"], ["y"])], {"x": []}, {}, {}),
            "the output of node .* has no fixed shape",
        ),
    ],
)
def test_layers_raises_for_invalid_files(data, reason):
    with pytest.raises(ArtifactError, match=f"^test: {reason}[^\n]*$"):
        layers(data, name="test")


def test_layers_counts_an_input_without_axes():
    nodes = [helper.make_node("Expand", ["x", "shape"], ["y"])]
    constant = numpy_helper.from_array(np.array([1, 3]), "shape")
    data = model(nodes, {"x": []}, {"y": [1, 3]}, {})
    parsed = onnx.load_from_string(data)
    parsed.graph.initializer.append(constant)
    (row,) = layers(parsed.SerializeToString(), name="test")
    assert row.output == (3,)


def test_layers_needs_no_more_memory_than_the_file(tmp_path):
    """Measured in a process of its own, because the peak of this one may be higher already."""
    (tmp_path / "large.onnx").write_bytes(
        model(
            [helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": [1, 1000]}, {"y": [1, 25_000]}, {"w": (1000, 25_000)}
        )
    )
    program = (
        "import resource, sys\n"
        "from edgekit.graph.layer_costs import layers\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert layers(data, name='large')[0].macs == 25_000_000\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / len(data))"
    )
    out = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "large.onnx"], capture_output=True, text=True, check=True
    ).stdout
    assert float(out) < 0.5  # it was 5.0 before
