"""Correct biases for the mean error that rounding the weights causes.

Nagel et al. 2019 (arXiv:1906.04721), section 4.2, with the means of the inputs measured on the calibration images.

1. Inspects the convolutions and Gemms after the normalization.
2. Multiplies the rounding error of their weights by the mean of their input, channel by channel, and subtracts the
   result from the bias; adds a bias if there is none. The weights stay in float.
3. Leaves unchanged: MatMul, which has no bias, the layers in `float_nodes`, and layers whose input was not measured.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto

from edgekit.graph.edit import set_constant
from edgekit.graph.index import Graph, attribute, output_axis
from edgekit.graph.passes.name_nodes import name_nodes
from edgekit.preprocess.scores import Floats
from edgekit.quantize.calibrate import ActivationStatistics
from edgekit.quantize.weight_format import WeightFormat, dequantized_weights


def correct_bias(
    model: ModelProto,
    *,
    statistics: Mapping[str, ActivationStatistics],
    weight_format: WeightFormat,
    float_nodes: Collection[str] = (),
) -> ModelProto:
    """Correct the biases; see the rules above.

    Args:
        model: float network; not changed.
        statistics: statistics of `quantized_tensors(model)`.
        weight_format: how the weights will be rounded.
        float_nodes: names of the layers that will stay in float.

    Returns:
        A float model whose biases compensate for the rounding of its weights.
    """
    graph = Graph(name_nodes(model))
    for node in graph.layers():
        weights = graph.weights(node)
        if node.name in float_nodes or weights is None or node.op_type == "MatMul" or node.input[0] not in statistics:
            continue
        error = dequantized_weights(node, weights, weight_format=weight_format).astype(np.float64) - weights
        shift = _mean_output(node, error, statistics[node.input[0]].channel_mean)
        bias = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros(len(shift))
        name = f"{node.name}_corrected_bias"
        set_constant(graph, name, (np.asarray(bias, np.float64) - shift).astype(np.float32))
        del node.input[2:]
        node.input.append(name)
    return graph.model


def _mean_output(node: NodeProto, weights: Floats, inputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """float64 (output channels,), the mean output for the mean of each input channel, ignoring padding."""
    if node.op_type == "Gemm":
        return np.asarray((weights if output_axis(node) == 0 else weights.T) @ inputs)
    by_channel = weights.reshape(*weights.shape[:2], -1).sum(axis=2)
    groups = attribute(node, "group", 1)
    grouped = by_channel.reshape(groups, -1, by_channel.shape[1])
    return np.asarray(np.einsum("goi,gi->go", grouped, inputs.reshape(groups, -1)).reshape(-1), np.float64)
