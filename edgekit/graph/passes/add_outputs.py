"""Add features and class activation maps as outputs of a classifier that ends in global pooling and a linear layer.

1. Finds the linear layer that computes `logits`, a Gemm or a MatMul with constant weights and an optional bias, and the
   global average pooling before it; reshapes may lie between them.
2. `features`: declares the input of the linear layer as an output, float32 (batch, features).
3. `maps`: applies a copy of the linear layer, with its bias, to each position of the last feature map: float32 (batch,
   classes, height, width), the class activation maps of Zhou et al. 2016 (arXiv 1512.04150). Their mean over height
   and width is the logits. If the pooled values are the logits themselves, the maps are the feature map.
4. Renames other tensors that have one of these names. The computation of the logits does not change.
5. Raises SpecError if the network ends differently, or already has such an output.
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
    """The end of the network, from the last feature map to the logits.

    Attributes:
        features: name of the tensor that the linear layer reads.
        feature_map: name of the tensor that is pooled.
        weight: (classes, features); None if the pooled values are the logits themselves.
        bias: (classes,); None if there is none.
    """

    features: str
    feature_map: str
    weight: Array | None
    bias: Array | None


def add_outputs(model: ModelProto, *, features: bool, maps: bool) -> ModelProto:
    """Add the outputs; see the rules above.

    Args:
        model: float network with the output `logits`; not changed.
        features: add the output `features`.
        maps: add the output `maps`.

    Returns:
        The model with these outputs in addition to its logits.

    Raises:
        SpecError: the network does not end in global average pooling and one linear layer, or has such an output.

    Example:
        >>> import onnx
        >>> from edgekit.graph.passes.add_outputs import add_outputs
        >>> model = onnx.load("models/imagenet-mobilenet-v2.onnx")  # doctest: +SKIP
        >>> [output.name for output in add_outputs(model, features=True, maps=True).graph.output]  # doctest: +SKIP
        ['logits', 'maps', 'features']
    """
    graph = Graph(copied(model))
    names = [name for name, wanted in ((FEATURES, features), (MAPS, maps)) if wanted]
    if graph.outputs.intersection(names):
        raise SpecError(f"the model already has an output {' or '.join(map(repr, names))}")
    for name in names:
        clear_name(graph, name)
    head = _head(graph)
    shapes = tensor_shapes(graph.model)
    batch = shapes["logits"][0]
    if maps:
        # Shape inference does not know every operator.
        shape = shapes.get(head.feature_map, (batch, "channels", "height", "width"))
        _add_maps(graph, head, (batch, *shape[1:]))
    if features:
        if head.weight is None:
            raise SpecError(
                "the pooled values of this network are its logits, so it has no features; leave out `features`"
            )
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
        raise _unsupported(f"a {node.op_type} with weights that are not constant")
    if node.op_type == "Gemm" and len(node.input) > 2:
        bias = graph.constant(node.input[2])
    weight = weight if attribute(node, "transB", 0) else weight.T
    bias = None if bias is None else np.broadcast_to(bias.ravel(), (len(weight),))
    return _Head(node.input[0], _pooled(graph, node.input[0]), weight, bias)


def _without_bias(graph: Graph, node: NodeProto | None) -> tuple[NodeProto | None, Array | None]:
    """The node before the addition of a constant bias, and that bias; the node itself and None if it is no Add."""
    if node is None or node.op_type != "Add":
        return node, None
    for name, other in ((node.input[0], node.input[1]), (node.input[1], node.input[0])):
        value = graph.constant(name)
        if value is not None:
            return graph.producer(other), value
    return node, None


def _pooled(graph: Graph, tensor: str) -> str:
    """The feature map that is pooled to this tensor. Raises SpecError if it is not computed by global pooling."""
    node = producer_behind(graph, tensor, skipped=_RESHAPING)
    if node is not None and (node.op_type == "GlobalAveragePool" or is_spatial_mean(graph, node)):
        return str(node.input[0])
    raise _unsupported(node.op_type if node is not None else "its input")


def _unsupported(end: str) -> SpecError:
    return SpecError(
        f"`features` and `activation_maps` need a float network that ends in global average pooling and one linear "
        f"layer (this one ends in {end})"
    )
