"""The layers of any ONNX file: output shape, parameters and multiply-accumulates of each."""

from __future__ import annotations

import math

import onnx
from onnx import GraphProto, NodeProto

from edgekit.cost import LayerCost
from edgekit.errors import ArtifactError

# Convolutions, with the position of the weights among their inputs, and matrix products.
_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}
_PRODUCTS = frozenset({"Gemm", "MatMul", "MatMulInteger", "QGemm", "QLinearMatMul"})
_NO_LAYERS = frozenset({"Constant", "QuantizeLinear", "DequantizeLinear"})


def layers(model: bytes, *, name: str) -> tuple[LayerCost, ...]:
    """One row for each node that computes, in the graph's order, for one image.

    Weights behind a DequantizeLinear count as those of the node that uses them; convolutions and matrix products count
    multiply-accumulates. Raises ArtifactError, naming the file, for a graph whose shapes do not follow from its input.
    """
    try:
        parsed = onnx.load_from_string(model)
        _fix_batch(parsed.graph)
        graph = onnx.shape_inference.infer_shapes(parsed, check_type=True, strict_mode=True, data_prop=True).graph
    except Exception as error:  # protobuf's and onnx's own classes
        raise ArtifactError(f"{name}: its shapes cannot be told: {str(error).strip().splitlines()[0]}") from None
    if not graph.node:
        raise ArtifactError(f"{name}: holds no graph")
    shapes = _shapes(graph)
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:  # what is computed from weights alone is a weight
        if node.op_type == "DequantizeLinear" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    return tuple(_layer(node, shapes, weights, name) for node in graph.node if node.op_type not in _NO_LAYERS)


def _fix_batch(graph: GraphProto) -> None:
    """Set the batch to one image if it is open."""
    for value in (*graph.input, *graph.output):
        batch = value.type.tensor_type.shape.dim[0]
        if not batch.dim_value:
            batch.dim_value = 1


def _shapes(graph: GraphProto) -> dict[str, tuple[int | None, ...]]:
    return {
        value.name: tuple(dim.dim_value or None for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    }


def _layer(
    node: NodeProto, shapes: dict[str, tuple[int | None, ...]], weights: dict[str, tuple[int, ...]], name: str
) -> LayerCost:
    output = tuple(extent for extent in shapes.get(node.output[0], (None,)) if extent is not None)
    if len(output) != len(shapes.get(node.output[0], (None,))):
        raise ArtifactError(f"{name}: the output of its node {node.name or node.op_type!r} has no fixed shape")
    return LayerCost(
        name=node.name or node.output[0],
        kind=node.op_type,
        output=output[1:],
        parameters=sum(math.prod(weights[i]) for i in dict.fromkeys(node.input) if i in weights),
        macs=_macs(node, output, shapes, weights),
    )


def _macs(
    node: NodeProto,
    output: tuple[int, ...],
    shapes: dict[str, tuple[int | None, ...]],
    weights: dict[str, tuple[int, ...]],
) -> int:
    """Output values times the products that each of them sums."""
    if node.op_type in _CONVOLUTIONS:
        kernel = weights.get(node.input[_CONVOLUTIONS[node.op_type]]) or shapes[node.input[1]]
        return math.prod(output) * math.prod(extent or 1 for extent in kernel[1:])
    if node.op_type in _PRODUCTS:
        left = shapes.get(node.input[0]) or weights[node.input[0]]
        transposed = any(entry.name == "transA" and entry.i for entry in node.attribute)  # of whatever type, unchecked
        return math.prod(output) * ((left[-2] if transposed else left[-1]) or 1)
    return 0
