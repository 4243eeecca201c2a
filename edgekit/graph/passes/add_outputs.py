"""Add outputs to a classifier that ends in global average pooling and a linear layer: features and class maps.

1. Finds the linear layer that computes `logits`, a Gemm or a MatMul with constant weights and an optional bias, and
   before it the global average pooling of the last feature map, with reshaping between them.
2. `features`: names the vector that the linear layer reads and declares it, float32 (batch, features).
3. `maps`: applies a copy of the linear layer to each place of the last feature map, bias included: float32 (batch,
   classes, height, width), class activation maps (Zhou et al. 2016, arXiv 1512.04150). Their mean is the logits.
   Pooled values that are the logits themselves have the feature map as their maps.
4. Gives other names to tensors that are called so already. What computes the logits stays as it is.
5. Raises SpecError for a network that does not end so, or that has such an output already.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, helper

from edgekit.errors import SpecError
from edgekit.graph.edit import add_constant, append_node, clear_name, copied, declare_output, rename
from edgekit.graph.index import Array, Graph, attribute, is_spatial_mean, producer_behind, tensor_shapes

FEATURES, MAPS = "features", "maps"
_RESHAPING = frozenset({"Flatten", "Reshape", "Squeeze", "Identity", "Dropout"})


@dataclass(frozen=True, slots=True)
class _Head:
    """What lies between the last feature map and the logits.

    features: the tensor that the linear layer reads. feature_map: the one that is pooled. weight: (classes, features);
    None if the pooled values are the logits themselves.
    """

    features: str
    feature_map: str
    weight: Array | None
    bias: Array | None


def add_outputs(model: ModelProto, *, features: bool, maps: bool) -> ModelProto:
    """The model with these outputs besides its logits."""
    graph = Graph(copied(model))
    names = [name for name, wanted in ((FEATURES, features), (MAPS, maps)) if wanted]
    if graph.outputs.intersection(names):
        raise SpecError(f"this model has {' or '.join(names)} among its outputs already")
    for name in names:
        clear_name(graph, name)
    head = _head(graph)
    shapes = tensor_shapes(graph.model)
    batch = shapes["logits"][0]
    if maps:
        # The shapes behind some operators are unknown.
        shape = shapes.get(head.feature_map, (batch, "channels", "height", "width"))
        _add_maps(graph, head, (batch, *shape[1:]))
    if features:
        if head.weight is None:
            raise SpecError("this network's pooled values are its logits: there are no features before them")
        rename(graph, head.features, FEATURES)
        declare_output(graph, FEATURES, (batch, head.weight.shape[1]))
    return graph.model


def _add_maps(graph: Graph, head: _Head, shape: tuple[int | str, ...]) -> None:
    """shape: of the feature map, (batch, channels, height, width)."""
    classes = shape[1]
    if head.weight is None:
        rename(graph, head.feature_map, MAPS)
    else:
        weight = add_constant(graph, "maps_weight", head.weight[:, :, None, None])
        bias = [] if head.bias is None else [add_constant(graph, "maps_bias", head.bias)]
        inputs = [head.feature_map, weight, *bias]
        append_node(graph, helper.make_node("Conv", inputs, [MAPS], name=MAPS, kernel_shape=[1, 1]))
        classes = len(head.weight)
    declare_output(graph, MAPS, (shape[0], classes, *shape[2:]))


def _head(graph: Graph) -> _Head:
    node, bias = _without_bias(graph, graph.producer("logits"))
    if node is None or node.op_type not in ("Gemm", "MatMul"):
        return _Head("logits", _pooled(graph, "logits"), None, None)
    weight = graph.constant(node.input[1])
    if weight is None or attribute(node, "transA", 0) or {attribute(node, n, 1.0) for n in ("alpha", "beta")} != {1.0}:
        raise _unsupported(f"a {node.op_type} of computed weights")
    if node.op_type == "Gemm" and len(node.input) > 2:
        bias = graph.constant(node.input[2])
    weight = weight if attribute(node, "transB", 0) else weight.T
    bias = None if bias is None else np.broadcast_to(bias.ravel(), (len(weight),))
    return _Head(node.input[0], _pooled(graph, node.input[0]), weight, bias)


def _without_bias(graph: Graph, node: NodeProto | None) -> tuple[NodeProto | None, Array | None]:
    """The product to whose result the node adds a constant, and the constant; or the node itself."""
    if node is None or node.op_type != "Add":
        return node, None
    for name, other in ((node.input[0], node.input[1]), (node.input[1], node.input[0])):
        value = graph.constant(name)
        if value is not None:
            return graph.producer(other), value
    return node, None


def _pooled(graph: Graph, tensor: str) -> str:
    """The feature map whose mean the tensor is, but for its shape. Raises SpecError if it is not a mean."""
    node = producer_behind(graph, tensor, skipped=_RESHAPING)
    if node is not None and (node.op_type == "GlobalAveragePool" or is_spatial_mean(graph, node)):
        return str(node.input[0])
    raise _unsupported(node.op_type if node is not None else "its input")


def _unsupported(end: str) -> SpecError:
    return SpecError(
        f"features and activation maps are those of a float network that ends in global average pooling and one linear "
        f"layer; this one ends in {end}"
    )
