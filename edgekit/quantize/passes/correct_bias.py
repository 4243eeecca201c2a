"""Bias correction: the mean error that rounded weights make is taken out of the biases.

Nagel et al. 2019 (arXiv:1906.04721), section 4.2, with the inputs' means measured on the calibration pictures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto

from edgekit.graph.index import Graph, attribute, copied, output_axis
from edgekit.preprocess.scores import Floats
from edgekit.quantize.calibrate import Activations
from edgekit.quantize.qdq import Scheme, dequantized, layers_of


def corrected(
    model: ModelProto,
    activations: Mapping[str, Activations],
    scheme: Scheme,
    *,
    kept: Collection[str] = (),
) -> ModelProto:
    """A new float model whose biases await the rounding of its weights by `scheme`.

    activations: of the tensors of `quantized_tensors`. kept: names of the layers that will not be rounded. Products
    without a place for a bias stay as they are.
    """
    graph = Graph(copied(model))
    layers = set(layers_of(graph)).difference(kept)
    for node in graph.nodes:
        weights = graph.weights(node)
        if node.name not in layers or weights is None or node.op_type == "MatMul" or node.input[0] not in activations:
            continue
        error = dequantized(node, weights, scheme).astype(np.float64) - weights
        shift = _mean_output(node, error, activations[node.input[0]].channel_mean)
        bias = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros(len(shift))
        name = f"{node.name}_corrected_bias"
        graph.put(name, (np.asarray(bias, np.float64) - shift).astype(np.float32))
        del node.input[2:]
        node.input.append(name)
    return graph.model


def _mean_output(node: NodeProto, weights: Floats, inputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What the weights make of the inputs' means (by channel), by output channel; borders count as the middle."""
    if node.op_type == "Gemm":
        return np.asarray((weights if output_axis(node) == 0 else weights.T) @ inputs)
    by_channel = weights.reshape(*weights.shape[:2], -1).sum(axis=2)
    groups = int(attribute(node, "group", 1))
    grouped = by_channel.reshape(groups, -1, by_channel.shape[1])
    return np.asarray(np.einsum("goi,gi->go", grouped, inputs.reshape(groups, -1)).reshape(-1), np.float64)
