"""Which layers of a network are 8-bit already, in either of ONNX's notations."""

from __future__ import annotations

from typing import NamedTuple

from onnx import ModelProto, NodeProto

from edgekit.graph.index import INTEGER_WEIGHTED, WEIGHTED, Graph
from edgekit.graph.passes.name_nodes import name_nodes


class LayerCounts(NamedTuple):
    """How many layers with constant weights a network has in float32, and how many in integers."""

    float32: int
    integer: int


def layer_counts(model: ModelProto) -> LayerCounts:
    """Count the layers by their arithmetic.

    Args:
        model: any ONNX model; not changed.
    """
    graph = Graph(name_nodes(model))
    integer = [n for n in graph.nodes if n.op_type in INTEGER_WEIGHTED or weight_storage(graph, n) is not None]
    return LayerCounts(float32=len(graph.layers()), integer=len(integer))


def weight_storage(graph: Graph, node: NodeProto) -> NodeProto | None:
    """The DequantizeLinear that computes a node's weights from constants; None if there is none."""
    storage = dequantizer(graph, node.input[1]) if node.op_type in WEIGHTED else None
    return None if storage is None or graph.constant(storage.input[0]) is None else storage


def dequantizer(graph: Graph, tensor: str) -> NodeProto | None:
    """The DequantizeLinear that computes a tensor; None if something else does."""
    node = graph.producer(tensor)
    return node if node is not None and node.op_type == "DequantizeLinear" else None
