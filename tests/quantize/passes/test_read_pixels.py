"""read_pixels: a first layer that reads the pixels, the same outputs."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.quantize.passes.group_stem import group_stem
from edgekit.quantize.passes.insert_qdq import insert_qdq
from edgekit.quantize.passes.read_pixels import read_pixels
from edgekit.quantize.ranges import Range
from edgekit.quantize.weight_format import WeightFormat

SIZE, OUTPUTS = 16, 5
REMOVED = ("Cast", "Mul", "Add")


def stem_model(mean: tuple[float, ...], std: tuple[float, ...], *, bias: bool = True, pad: int = 1) -> onnx.ModelProto:
    """(pixels / 255 - mean) / std as a multiplication and an addition, one convolution, and the mean over its grid."""
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(OUTPUTS, 3, 3, 3)), "b": rng.normal(size=OUTPUTS)}
    weights |= {
        "factor": 1 / (255 * np.array(std)).reshape(-1, 1, 1),
        "offset": -(np.array(mean) / std).reshape(-1, 1, 1),
    }
    nodes = [
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "factor"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["normalized"]),
        helper.make_node("Conv", ["normalized", "w", "b"][: 2 + bias], ["stem"], strides=[2, 2], pads=[0, 0, pad, pad]),
        helper.make_node("Relu", ["stem"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "stem",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", OUTPUTS, "rows", "columns"])],
        [numpy_helper.from_array(np.asarray(values, np.float32), name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def quantized(model: onnx.ModelProto, mean: float, std: float, *, activations: str = "uint8") -> onnx.ModelProto:
    """In int8, with the ranges of images that have black and white pixels."""
    outputs = [node.output[0] for node in model.graph.node]
    first = [node.op_type for node in model.graph.node].index("Conv")
    ranges = dict.fromkeys(outputs[:first], Range(-mean / std, (1 - mean) / std))
    ranges |= dict.fromkeys(outputs[first:], Range(0.0, 12.0))
    return insert_qdq(model, ranges=ranges, weight_format=WeightFormat(activations=activations))


def output(model: onnx.ModelProto) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString())
    pixels = np.random.default_rng(1).integers(0, 256, (3, SIZE, SIZE, 3)).astype(np.uint8)
    return session.run(["output"], {"pixels": pixels})[0]


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize(("mean", "std"), [(127 / 255, 128 / 255), (0.0, 1.0), (0.0, 1 / 255), (51 / 255, 0.25)])
def test_a_normalization_that_quantization_undoes_is_removed(mean, std, grouped):
    model = stem_model((mean,), (std,))
    before = quantized(group_stem(model) if grouped else model, mean, std)

    after = read_pixels(before)

    assert np.array_equal(output(after), output(before))
    assert operators(before) - operators(after) == Counter((*REMOVED, "QuantizeLinear"))


def test_a_normalization_of_equal_channels_is_removed_too():
    before = quantized(stem_model((127 / 255,) * 3, (128 / 255,) * 3), 127 / 255, 128 / 255)

    assert not {*REMOVED} & operators(read_pixels(before)).keys()


def test_a_shift_of_half_a_step_moves_to_the_bias_and_is_not_rounded():
    """Without padding, the outputs are closer to those of the float network than before."""
    model = stem_model((0.5,), (0.5,), pad=0)
    before = quantized(model, 0.5, 0.5)

    after = read_pixels(before)

    expected = output(model)
    errors = [np.abs(output(candidate) - expected).mean() for candidate in (before, after)]
    assert operators(before) - operators(after) == Counter((*REMOVED, "QuantizeLinear"))
    assert errors[1] < errors[0]


def test_a_shift_needs_a_bias_to_move_to():
    before = quantized(stem_model((0.5,), (0.5,), bias=False), 0.5, 0.5)

    assert read_pixels(before) == before


@pytest.mark.parametrize(
    ("mean", "std", "activations"),
    [
        ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "uint8"),  # another one for each channel
        ((0.0,), (1.0,), "int8"),
    ],
)
def test_other_normalizations_stay(mean, std, activations):
    before = quantized(stem_model(mean, std), mean[0], std[0], activations=activations)

    assert read_pixels(before) == before


def test_a_range_that_leaves_pixels_out_stays():
    """Its integers are not the pixels."""
    before = quantized(stem_model((0.0,), (1.0,)), 0.0, 1.05)

    assert read_pixels(before) == before


@pytest.mark.parametrize("shifted", [False, True])
def test_a_normalized_image_that_is_an_output_keeps_its_values(shifted):
    mean, std = (0.5, 0.5) if shifted else (0.0, 1.0)
    model = stem_model((mean,), (std,))
    model.graph.output.append(helper.make_tensor_value_info("normalized", TensorProto.FLOAT, None))
    before = quantized(model, mean, std)

    after = read_pixels(before)

    pixels = np.random.default_rng(2).integers(0, 256, (1, SIZE, SIZE, 3)).astype(np.uint8)
    images = [
        ort.InferenceSession(candidate.SerializeToString()).run(["normalized"], {"pixels": pixels})[0]
        for candidate in (before, after)
    ]
    assert np.array_equal(*images)
    assert (after == before) is shifted
