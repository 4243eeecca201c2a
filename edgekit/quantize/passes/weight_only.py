"""Smaller files that compute in float: weights of the fully connected layers in 8 bits, or all weights in 16 bits."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgekit.errors import DataError
from edgekit.graph.index import Graph, copied, output_axis, with_nodes
from edgekit.quantize.qdq import Scheme, layers_of, rounded_weights, weight_scales

_LEAST_WEIGHTS = 2**16  # smaller layers cost more in additional nodes than they give
_LEAST_VALUES = 256
_FLOAT16_MAX = float(np.finfo(np.float16).max)
_SCHEME = Scheme(saturating=False)  # nothing is added as integers


def dense_share(model: ModelProto) -> float:
    """The share of the weights that lies in large fully connected layers."""
    graph = Graph(copied(model))
    layers = set(layers_of(graph))
    every = sum(_size(graph, node) for node in graph.nodes if node.name in layers)
    return sum(_size(graph, node) for node in _dense_layers(graph)) / max(every, 1)


def with_dense_int8(model: ModelProto) -> ModelProto:
    """A new model whose large fully connected layers hold 8-bit weights, one scale for each output.

    Written as DequantizeLinear and MatMul with the weights as (inputs, outputs): that is the form which onnxruntime
    computes from the 8-bit weights directly, where it would unfold those of a Gemm at every run. Raises DataError for
    a network without such layers.
    """
    graph = Graph(copied(model))
    dense = {node.name for node in _dense_layers(graph)}
    if not dense:
        raise DataError(f"no fully connected layer with {_LEAST_WEIGHTS} weights or more; take another recipe")
    written: list[NodeProto] = []
    for node in graph.nodes:
        written += _dense(graph, node) if node.name in dense else [node]
    return with_nodes(graph, written)


def with_float16(model: ModelProto) -> ModelProto:
    """A new model whose weights are stored in 16 bits and unfolded to float32 when it is loaded: half the file.

    The arithmetic stays float32, which x86 processors are faster at. Tensors with values beyond float16 stay too.
    """
    graph = Graph(copied(model))
    casts = []
    for name, tensor in list(graph.initializers.items()):
        values = np.asarray(numpy_helper.to_array(tensor))
        if values.dtype != np.float32 or values.size < _LEAST_VALUES or np.abs(values).max() > _FLOAT16_MAX:
            continue
        for taker in graph.takers[name]:
            for position, taken in enumerate(taker.input):
                if taken == name:
                    taker.input[position] = f"{name}_float32"
        graph.put(name, values.astype(np.float16))
        casts.append(helper.make_node("Cast", [name], [f"{name}_float32"], name=f"{name}_Cast", to=TensorProto.FLOAT))
    return with_nodes(graph, casts + graph.nodes)


def _dense_layers(graph: Graph) -> list[NodeProto]:
    layers = set(layers_of(graph))
    products = (node for node in graph.nodes if node.op_type != "Conv" and node.name in layers)
    return [node for node in products if _size(graph, node) >= _LEAST_WEIGHTS]


def _size(graph: Graph, node: NodeProto) -> int:
    weights = graph.weights(node)
    return 0 if weights is None else weights.size


def _dense(graph: Graph, node: NodeProto) -> list[NodeProto]:
    weights = graph.weights(node)
    if weights is None:
        return [node]
    name, scales = node.name, weight_scales(node, weights, _SCHEME)
    integers = rounded_weights(node, weights, scales)
    graph.put(f"{name}_weight_quantized", integers if output_axis(node) == 1 else integers.T)
    graph.put(f"{name}_weight_scale", scales)
    inputs, unfolded = [f"{name}_weight_quantized", f"{name}_weight_scale"], f"{name}_weight_dequantized"
    biased = len(node.input) > 2 and bool(node.input[2])
    product = f"{name}_product" if biased else node.output[0]
    nodes = [
        helper.make_node("DequantizeLinear", inputs, [unfolded], name=f"{name}_weight_DQ", axis=1),
        helper.make_node("MatMul", [node.input[0], unfolded], [product], name=name),
    ]
    if biased:
        nodes.append(helper.make_node("Add", [product, node.input[2]], [node.output[0]], name=f"{name}_bias"))
    return nodes
