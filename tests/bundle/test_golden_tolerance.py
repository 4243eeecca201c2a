"""Tolerances: nothing for sums of integers, what was measured for sums of floats."""

import numpy as np
import onnx
import pytest
from made_models import tiny_info, tiny_model
from onnx import TensorProto, helper, numpy_helper

from edgekit import Classifier
from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.info import read_model
from edgekit.bundle.golden_tolerance import golden_tolerance, sums_integers
from edgekit.hub.built_in import built_in_models

INT8 = built_in_models()["lenet5-mnist-int8"]
RNG = np.random.default_rng(0)


def tolerance_of(name: str) -> tuple[dict[str, float], np.ndarray]:
    path = built_in_models()[name]
    with Classifier(path) as classifier:
        spec = classifier.info.preprocess
        pixels = RNG.integers(0, 256, (3, *spec.crop, spec.channels), np.uint8)
        logits = classifier.logits(pixels)
        return golden_tolerance(read_model(path), classifier.info, pixels=pixels, logits=logits), logits


def sums(model: onnx.ModelProto) -> bool:
    return sums_integers(check_model(model.SerializeToString(), name="m"))


def test_tolerance_is_zero_for_the_integers_of_onnxruntime():
    tolerance, logits = tolerance_of("lenet5-mnist-int8")
    assert tolerance["same_kernels"] == 0
    assert tolerance["other"] == pytest.approx(0.09 * np.abs(logits).max(), rel=0.1)


@pytest.mark.parametrize("name", ["lenet5-mnist", "mobilenet_v2-cifar10"])
def test_tolerance_of_float32_is_small_and_covers_other_kernels(name):
    tolerance, logits = tolerance_of(name)
    assert tolerance["same_kernels"] == tolerance["other"]
    assert 1e-5 <= tolerance["other"] / np.abs(logits).max() <= 1e-4


def test_tolerance_of_float16_allows_runtimes_to_compute_in_float16():
    model, info = tiny_model().SerializeToString(), tiny_info(precision="float16")
    pixels = RNG.integers(0, 256, (2, 8, 10, 3), np.uint8)
    logits = np.array(onnx_logits(model, pixels))
    tolerance = golden_tolerance(model, info, pixels=pixels, logits=logits)
    assert tolerance["other"] > 100 * tolerance["same_kernels"] > 0


def onnx_logits(model: bytes, pixels: np.ndarray) -> np.ndarray:
    from edgekit.evaluate.parity import onnx_logits

    return onnx_logits(model, name="m")(pixels)


def test_sums_integers_is_false_for_float_layers_and_functions():
    quantized = onnx.load(INT8)
    assert sums(quantized)
    assert not sums(tiny_model())
    last = quantized.graph.node[-1]
    last.output[0] = "scores"
    quantized.graph.node.append(helper.make_node("Sigmoid", ["scores"], ["logits"]))
    assert not sums(quantized)


def addition(first: float, second: float, output: float | None, clip: bool = False) -> onnx.ModelProto:
    """An addition of two quantized tensors with these scales; output: None if the sum is not quantized."""
    scales = {"first": first, "second": second, "output": output}
    nodes = [helper.make_node("DequantizeLinear", ["pixels", f"{name}_scale"], [name]) for name in ("first", "second")]
    nodes.append(helper.make_node("Add", ["first", "second"], ["logits" if output is None else "sum"]))
    if output is not None:
        last = "clipped" if clip else "sum"
        nodes += [helper.make_node("Relu", ["sum"], ["clipped"])] if clip else []
        nodes.append(helper.make_node("QuantizeLinear", [last, "output_scale"], ["quantized"]))
        nodes.append(helper.make_node("DequantizeLinear", ["quantized", "output_scale"], ["logits"]))
    graph = helper.make_graph(
        nodes,
        "addition",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(np.float32(s), f"{name}_scale") for name, s in scales.items() if s is not None],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize(
    ("scales", "exact"),
    [
        ((968 * 0.1, 701 * 0.1, 1023 * 0.1), True),
        ((0.5, 0.25, None), True),  # not quantized again: each product and the sum are rounded once
        ((2046, 1, 1023), True),
        ((2047, 1, 1023), False),
        ((0.5, 0.25, 1.0), False),  # sums that are halves
        ((968.4, 701, 1023), False),
        ((1, 1, 0), False),
    ],
)
@pytest.mark.parametrize("clip", [False, True])
def test_sums_integers_is_false_for_additions_that_processors_round_differently(scales, exact, clip):
    assert sums(addition(*scales, clip=clip)) == exact


@pytest.mark.parametrize(("scales", "same_kernels"), [((7, 5, 1023), 0.0), ((0.5, 0.25, 1.0), 1.8)])
def test_tolerance_allows_roundings_of_inexact_additions(scales, same_kernels):
    pixels, logits = np.zeros((2, 4), np.uint8), np.array([[20, 1, 2, 3], [0, 1, 2, 3]], np.float32)
    tolerance = golden_tolerance(addition(*scales).SerializeToString(), tiny_info(), pixels=pixels, logits=logits)
    assert tolerance == {"same_kernels": same_kernels, "other": 1.8}


def test_sums_integers_is_false_for_float_weights_between_integer_layers():
    quantized = onnx.load(INT8)
    layer = next(node for node in quantized.graph.node if node.op_type == "Conv")
    shape = next(t.dims for t in quantized.graph.initializer if t.name == weight_source(quantized, layer.input[1]))
    quantized.graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), "float weights"))
    layer.input[1] = "float weights"
    assert not sums(quantized)


def weight_source(model: onnx.ModelProto, name: str) -> str:
    """The initializer that a DequantizeLinear reads to compute a tensor."""
    return next(node.input[0] for node in model.graph.node if name in node.output)


def test_sums_integers_is_false_for_weights_that_meet_float_activations():
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["floats"], ["flat"]),
            helper.make_node("DequantizeLinear", ["stored", "scale"], ["weight"]),
            helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
        ],
        "stored",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", 2, 2, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])],
        [
            numpy_helper.from_array(RNG.integers(-9, 9, (12, 4)).astype(np.int8), "stored"),
            numpy_helper.from_array(np.array(0.5, np.float32), "scale"),
        ],
    )
    assert not sums(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10))
