"""The same float network in the form that integers are fastest in.

Measured in onnxruntime 1.31 at 224: a normalization by a constant for each channel takes a quarter of an int8
MobileNetV2's time, because the integer convolutions want their channels last and a constant of three values is then
multiplied three values at a time. And a mean over height and width has an integer kernel only as GlobalAveragePool.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, helper

from edgekit.graph.index import Array, Graph, attribute, copied, with_nodes

_ELEMENTWISE = frozenset({"Add", "Sub", "Mul", "Div"})
_SPATIAL = ((2, 3), (-2, -1))


def prepared(model: ModelProto) -> ModelProto:
    """A new model with the same answers: pooling by its own operator, normalization by long constants."""
    graph = Graph(copied(model))
    _lengthen_normalization(graph)
    nodes = [new for node in graph.nodes for new in _pooled(graph, node)]
    return with_nodes(graph, nodes)


def _lengthen_normalization(graph: Graph) -> None:
    """Constants of a value for each channel become one value, where all are equal, or a row of the picture's width."""
    before = graph.normalization()
    width = graph.model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    for node in graph.nodes:
        if node.name not in before or node.op_type not in _ELEMENTWISE:
            continue
        for position, name in enumerate(node.input):
            values = graph.constant(name)
            if values is not None and values.size > 1:
                node.input[position] = f"{node.name}_row_{position}"
                graph.put(node.input[position], _lengthened(values, width))


def _lengthened(values: Array, width: int) -> Array:
    if (values == values.reshape(-1)[0]).all():
        return np.asarray(values.reshape(-1)[0])
    if values.shape[-2:] == (1, 1) and values.ndim in (3, 4) and width:  # (channels, 1, 1): channels first
        return np.broadcast_to(values, (*values.shape[:-1], width))
    return values


def _pooled(graph: Graph, node: NodeProto) -> list[NodeProto]:
    """GlobalAveragePool, and Flatten where the mean drops its axes, instead of a ReduceMean over height and width."""
    if node.op_type != "ReduceMean" or _axes(graph, node) not in _SPATIAL:
        return [node]
    output = node.output[0]
    if attribute(node, "keepdims", 1):
        return [helper.make_node("GlobalAveragePool", [node.input[0]], [output], name=node.name)]
    pooled = f"{output}_pooled"
    return [
        helper.make_node("GlobalAveragePool", [node.input[0]], [pooled], name=node.name),
        helper.make_node("Flatten", [pooled], [output], name=f"{node.name}_flatten"),
    ]


def _axes(graph: Graph, node: NodeProto) -> tuple[int, ...]:
    """Sorted; an input since operator set 18, an attribute before."""
    if len(node.input) > 1:
        values = graph.constant(node.input[1])
        return () if values is None else tuple(sorted(values.reshape(-1).astype(int).tolist()))
    for entry in node.attribute:
        if entry.name == "axes":
            return tuple(sorted(entry.ints))
    return ()
