"""Store the weights of all layers in 8 bits; the arithmetic stays in float32.

In WebAssembly, that is a quarter of the size at the speed of float32. Elsewhere it is slow: onnxruntime dequantizes the
weights in every run, and gives up its fastest memory layout.

1. Finds Convs, Gemms and MatMuls after the normalization with 128 weights or more.
2. Rounds their weights to int8 with one scale per output channel, followed by a DequantizeLinear. Gemms stay Gemms: as
   a MatMul, which `store_dense_int8` makes of them, MobileNetV2's takes 2.5 ms in WebAssembly instead of 0.5.
3. Leaves smaller layers and all biases in float32.
4. Raises DataError if the network has no such layer.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, helper

from edgekit.errors import DataError
from edgekit.graph.edit import replace_nodes, set_constant
from edgekit.graph.index import Graph, output_axis
from edgekit.graph.passes.name_nodes import name_nodes
from edgekit.quantize.weight_format import WeightFormat, rounded_weights, weight_scales

_MIN_WEIGHTS = 2**7
_FORMAT = WeightFormat(saturating=False)  # no integers are added


def store_weights_int8(model: ModelProto) -> ModelProto:
    """Store all weights in 8 bits; see the rules above.

    Args:
        model: float network; not changed.

    Returns:
        A model whose layers have int8 weights and float32 arithmetic.

    Raises:
        DataError: the network has no layer with 128 weights or more.
    """
    graph = Graph(name_nodes(model))
    layers = {node.name for node in graph.layers()}
    nodes: list[NodeProto] = []
    for node in graph.nodes:
        nodes += _dequantized_weights(graph, node) if node.name in layers else []
        nodes.append(node)
    if len(nodes) == len(graph.nodes):
        raise DataError(
            f"the network has no layer with at least {_MIN_WEIGHTS} weights; use another scheme than int8-weights"
        )
    replace_nodes(graph, nodes)
    return graph.model


def _dequantized_weights(graph: Graph, node: NodeProto) -> list[NodeProto]:
    """The DequantizeLinear of rule 2. Also redirects the node to its output."""
    weights = graph.weights(node)
    if weights is None or weights.size < _MIN_WEIGHTS:
        return []
    prefix, scales = f"{node.name}_weight", weight_scales(node, weights, weight_format=_FORMAT)
    inputs = [f"{prefix}_{part}" for part in ("quantized", "scale", "zero_point")]
    set_constant(graph, inputs[0], rounded_weights(node, weights, scales=scales))
    set_constant(graph, inputs[1], scales)
    set_constant(graph, inputs[2], np.zeros(len(scales), np.int8))  # onnxruntime moves it for processors that saturate
    node.input[1] = f"{prefix}_dequantized"
    return [helper.make_node("DequantizeLinear", inputs, [node.input[1]], name=f"{prefix}_DQ", axis=output_axis(node))]
