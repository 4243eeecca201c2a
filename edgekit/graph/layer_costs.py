"""Counts the parameters and multiply-accumulates of each layer of an ONNX model."""

from __future__ import annotations

import math

import onnx
from onnx import GraphProto, NodeProto

from edgekit.cost import LayerCost
from edgekit.errors import ArtifactError, quote
from edgekit.graph.skeleton import skeleton

# Convolutions, with the position of the weights among their inputs.
_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}
_MATRIX_PRODUCTS = frozenset({"Gemm", "MatMul", "MatMulInteger", "QGemm", "QLinearMatMul"})
_NOT_LAYERS = frozenset({"Constant", "QuantizeLinear", "DequantizeLinear"})


def layers(model: bytes, *, name: str) -> tuple[LayerCost, ...]:
    """Count the cost of each layer of a model for one image.

    Convolutions and matrix products count multiply-accumulates; other operators count 0. Weights that pass through a
    DequantizeLinear count as parameters of the node that uses them.

    Args:
        model: bytes of an ONNX file, edgekit model or not.
        name: name of the file, for messages.

    Returns:
        One entry per computing node, in topological order.

    Raises:
        ArtifactError: the shapes of the model cannot be inferred from its input.

    Example:
        >>> from pathlib import Path
        >>> from edgekit.graph.layer_costs import layers
        >>> rows = layers(Path("models/lenet5-mnist/lenet5-mnist.onnx").read_bytes(), name="lenet5-mnist.onnx")
        >>> sum(row.macs for row in rows)
        416520
    """
    try:
        parsed = onnx.load_from_string(skeleton(model))
        if not parsed.graph.node:
            raise ArtifactError("its graph contains no nodes")
        _fix_batch(parsed.graph)
        graph = onnx.shape_inference.infer_shapes(parsed, check_type=True, strict_mode=True, data_prop=True).graph
    except ArtifactError as error:
        raise ArtifactError(f"{name}: {error}") from None
    except Exception as error:  # protobuf's and onnx's own classes
        (reason, *_) = str(error).strip().splitlines() or [type(error).__name__]
        raise ArtifactError(f"{name}: cannot infer its shapes: {reason}") from None
    shapes = _shapes(graph)
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:  # dequantized weights are weights
        if node.op_type == "DequantizeLinear" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    return tuple(_layer(node, shapes, weights, name) for node in graph.node if node.op_type not in _NOT_LAYERS)


def _fix_batch(graph: GraphProto) -> None:
    """Set a dynamic batch size to 1."""
    for value in (*graph.input, *graph.output):
        axes = value.type.tensor_type.shape.dim
        if axes and not axes[0].dim_value:
            axes[0].dim_value = 1


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
        raise ArtifactError(f"{name}: the output of node {quote(node.name or node.op_type)} has no fixed shape")
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
    """The number of output values times the number of products summed for each."""
    if node.op_type in _CONVOLUTIONS:
        kernel = weights.get(node.input[_CONVOLUTIONS[node.op_type]]) or shapes[node.input[1]]
        return math.prod(output) * math.prod(extent or 1 for extent in kernel[1:])
    if node.op_type in _MATRIX_PRODUCTS:
        left = shapes.get(node.input[0]) or weights[node.input[0]]
        transposed = any(entry.name == "transA" and entry.i for entry in node.attribute)  # its type is unchecked
        return math.prod(output) * ((left[-2] if transposed else left[-1]) or 1)
    return 0
