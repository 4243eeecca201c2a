"""Store the weights of large fully connected layers in 8 bits; the arithmetic stays in float32.

1. Finds Gemms and MatMuls after the normalization with 65,536 weights or more.
2. Rounds their weights to int8 with one scale per output, and rewrites each layer as DequantizeLinear, MatMul with
   weights (inputs, outputs), and Add of the bias. In that form onnxruntime computes directly from the 8-bit weights,
   whereas it would convert those of a Gemm to float32 in every run.
3. Leaves convolutions and smaller layers unchanged: the additional nodes would cost more than they gain.
4. Raises DataError if the network has no such layer.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto, helper

from edgekit.errors import DataError
from edgekit.graph.edit import replace_nodes, set_constant
from edgekit.graph.index import Graph, output_axis
from edgekit.graph.passes.name_nodes import name_nodes
from edgekit.quantize.weight_format import WeightFormat, rounded_weights, weight_scales

_MIN_WEIGHTS = 2**16
_FORMAT = WeightFormat(saturating=False)  # no integers are added


def store_dense_int8(model: ModelProto) -> ModelProto:
    """Store dense weights in 8 bits; see the rules above.

    Args:
        model: float network; not changed.

    Returns:
        A model whose large fully connected layers have int8 weights.

    Raises:
        DataError: the network has no fully connected layer with 65,536 weights or more.
    """
    graph = Graph(name_nodes(model))
    dense = {node.name for node in _dense_layers(graph)}
    if not dense:
        raise DataError(
            f"the network has no fully connected layer with at least {_MIN_WEIGHTS:,} weights; "
            f"use another scheme than dense-int8"
        )
    written: list[NodeProto] = []
    for node in graph.nodes:
        written += _dequantized_product(graph, node) if node.name in dense else [node]
    replace_nodes(graph, written)
    return graph.model


def dense_share(model: ModelProto) -> float:
    """The fraction of the network's weights that large fully connected layers contain, 0 to 1."""
    graph = Graph(name_nodes(model))
    total = sum(_size(graph, node) for node in graph.layers())
    return sum(_size(graph, node) for node in _dense_layers(graph)) / max(total, 1)


def _dense_layers(graph: Graph) -> list[NodeProto]:
    return [node for node in graph.layers() if node.op_type != "Conv" and _size(graph, node) >= _MIN_WEIGHTS]


def _size(graph: Graph, node: NodeProto) -> int:
    weights = graph.weights(node)
    return 0 if weights is None else weights.size


def _dequantized_product(graph: Graph, node: NodeProto) -> list[NodeProto]:
    weights = graph.weights(node)
    if weights is None:
        return [node]
    name, scales = node.name, weight_scales(node, weights, weight_format=_FORMAT)
    integers = rounded_weights(node, weights, scales=scales)
    set_constant(graph, f"{name}_weight_quantized", integers if output_axis(node) == 1 else integers.T)
    set_constant(graph, f"{name}_weight_scale", scales)
    inputs, dequantized = [f"{name}_weight_quantized", f"{name}_weight_scale"], f"{name}_weight_dequantized"
    has_bias = len(node.input) > 2 and bool(node.input[2])
    product = f"{name}_product" if has_bias else node.output[0]
    nodes = [
        helper.make_node("DequantizeLinear", inputs, [dequantized], name=f"{name}_weight_DQ", axis=1),
        helper.make_node("MatMul", [node.input[0], dequantized], [product], name=name),
    ]
    if has_bias:
        nodes.append(helper.make_node("Add", [product, node.input[2]], [node.output[0]], name=f"{name}_bias"))
    return nodes
