"""How far the logits of a correct port may be from golden ones.

A difference of logits is allowed for two reasons only:

- Sums of floats depend on their order, which kernels choose. What that does to a logit depends on the network: between
  onnxruntime's optimized and plain kernels, 2e-8 to 4e-5 of the largest logit for 57 of 59 networks with random
  weights, and far more for the two whose activations explode. So it is measured for each file on its own vectors, and
  ten times that is allowed; at least 1e-5 of the largest logit, seven times what the trained MobileNetV2 differs by
  between x86, Arm and WebAssembly (2e-5 of 14).
- A network that rounds activations to 8 bits may round one of them to the next level, and that difference grows from
  layer to layer: up to 0.045 of the largest logit where the same network is computed in floats between its roundings.
  Twice that is allowed to runtimes with kernels of their own. onnxruntime itself sums integers, which have no order:
  its results are equal bit for bit on x86, Arm and in WebAssembly, for .onnx and .ort files. The exceptions are
  additions of two tensors, which onnxruntime computes in floats, and rounds differently on Arm. Unless the scales keep
  the sums away from halves (`quantize.exact_additions`), one element in 40,000 is rounded to the other level, which
  moved a logit by 0.25.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime as ort

from edgekit.artifact.guard.costs import CheckedGraph, Node
from edgekit.artifact.guard.operator_call import Constant
from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.info import ArtifactInfo
from edgekit.evaluate.parity import rounded_up
from edgekit.image.source import Pixels
from edgekit.preprocess.scores import Floats
from edgekit.runtime.loaded_model import LOGITS
from edgekit.runtime.session import run_batches

_OF_MEASURED = 10
# Relative to the largest absolute logit.
_LEAST = 1e-5
_ROUNDING = 0.09
_HALF_PRECISION = 1e-2  # float16 has 11 bits, and its sums have as many errors as layers

_FATAL_SEVERITY = 4
_ROUNDED = frozenset({"QuantizeLinear", "DynamicQuantizeLinear"})
# Each of their results is exact, or one rounding of exact values, which all processors do alike.
_EXACT = frozenset(
    {
        *("QuantizeLinear", "DequantizeLinear", "Cast", "Add", "Sub", "Mul", "Div", "Relu", "Clip", "Max", "Min"),
        *("MaxPool", "Concat", "Split", "Slice", "Pad", "Identity", "Transpose", "Reshape", "Flatten", "Squeeze"),
        *("Unsqueeze", "Gather", "Shape", "SpaceToDepth", "DepthToSpace", "ConstantOfShape", "Expand"),
        *("QLinearConv", "QLinearMatMul", "MatMulInteger", "ConvInteger", "QGemm"),
    }
)
# onnxruntime sums integers in them if all they take, but for a constant bias, comes from DequantizeLinear.
_SUMS = frozenset({"Conv", "Gemm", "MatMul", "AveragePool", "GlobalAveragePool"})
_CLIPPING = frozenset({"Relu", "Clip"})  # onnxruntime removes them before a QuantizeLinear that clips as much
# Of an addition that all processors round alike, the scale of each input is a multiple of the output's divided by
# _PARTS, but for float32's rounding, and at most _MOST times the output's: see `quantize.exact_additions`.
_PARTS, _MOST, _ROUNDING_OF_SCALES = 1023, 2, 1e-3


def golden_tolerance(model: bytes, info: ArtifactInfo, *, pixels: Pixels, logits: Floats) -> dict[str, float]:
    """The largest accepted absolute difference of a logit.

    Args:
        model: content of the model file.
        info: its metadata.
        pixels: of the golden vectors: uint8 (N, height, width, channels).
        logits: computed of them: float32 (N, classes).

    Returns:
        `same_kernels`, for onnxruntime's own kernels (its CPU and WebAssembly builds for any language, with .onnx and
        .ort files); `other`, for other runtimes and for accelerators.
    """
    graph = check_model(model, name=info.model)
    largest = float(np.abs(logits).max())
    if any(node.op_type in _ROUNDED for node in graph.nodes):
        other = rounded_up(_ROUNDING * largest)
        return {"same_kernels": 0.0 if sums_integers(graph) else other, "other": other}
    measured = float(np.abs(_plain_logits(model, pixels) - logits).max())
    same = max(_OF_MEASURED * measured, _LEAST * largest)
    other = max(same, _HALF_PRECISION * largest) if info.precision == "float16" else same
    return {"same_kernels": rounded_up(same), "other": rounded_up(other)}


def sums_integers(graph: CheckedGraph) -> bool:
    """Whether all sums of the network but a last one are of integers, and all processors round alike.

    Args:
        graph: the validated graph of a model.
    """
    dequantized: dict[str, str] = {}  # names of the scales
    exact = {*graph.inputs, *graph.constants, ""}
    for node in graph.nodes:
        if node.op_type == "DequantizeLinear":
            dequantized.update(dict.fromkeys(node.outputs, node.inputs[1]))
        if exact.issuperset(node.inputs) and _is_exact(node, dequantized, graph):
            exact.update(node.outputs)
    return LOGITS in exact


def _is_exact(node: Node, dequantized: Mapping[str, str], graph: CheckedGraph) -> bool:
    if node.op_type == "Add" and all(name in dequantized for name in node.inputs):
        return _adds_exactly([dequantized[name] for name in node.inputs], node.outputs[0], graph)
    if node.op_type not in _SUMS:
        return node.op_type in _EXACT
    factors, bias = node.inputs[:2], node.inputs[2:]
    return all(name in dequantized for name in factors) and all(
        name in dequantized or name in graph.constants for name in bias if name
    )


def _adds_exactly(input_scales: Sequence[str], output: str, graph: CheckedGraph) -> bool:
    """Whether processors round an addition of two dequantized tensors alike: always, unless it is quantized again."""
    values, output_scales = {output}, set()
    for node in graph.nodes:
        if values.intersection(node.inputs):
            if node.op_type == "QuantizeLinear":
                output_scales.add(node.inputs[1])
            elif node.op_type in _CLIPPING:
                values.update(node.outputs)
    return all(_is_multiple(scale, other, graph.constants) for scale in input_scales for other in output_scales)


def _is_multiple(scale: str, output_scale: str, constants: Mapping[str, Constant]) -> bool:
    if scale not in constants or output_scale not in constants:
        return False  # computed
    numerator, denominator = (np.array(constants[name].numbers, np.float32) for name in (scale, output_scale))
    if not numerator.size == denominator.size == 1:
        return False  # one per channel
    with np.errstate(all="ignore"):
        parts = float((numerator / denominator).item()) * _PARTS  # not finite for a scale of 0 or in half precision
    return parts <= _MOST * _PARTS + 0.5 and bool(abs(parts - np.rint(parts)) < _ROUNDING_OF_SCALES)


def _plain_logits(model: bytes, pixels: Pixels) -> Floats:
    """The logits by onnxruntime without any optimization: another memory layout, other kernels, nothing fused."""
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL_SEVERITY
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.load_model_format", "ONNX")
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return np.concatenate([run_batches(session, image[None], output=LOGITS) for image in pixels])
