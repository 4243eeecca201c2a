"""Further outputs of a classifier that ends in global average pooling and a linear layer: features and class maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, NodeProto, helper

from edgekit.errors import ParityError, SpecError
from edgekit.graph.clean import serialized
from edgekit.graph.edit import (
    add_constant,
    attribute,
    clear_name,
    constant,
    float_output,
    producer,
    rename,
    tensor_shapes,
)
from edgekit.image.source import Pixels
from edgekit.runtime.session import open_session, run_batches

FEATURES, MAPS = "features", "maps"
# The mean of the maps is the logit but for the order of float32 sums.
TOLERANCE = 1e-4

_Array: TypeAlias = npt.NDArray[Any]
_RESHAPING = frozenset({"Flatten", "Reshape", "Squeeze", "Identity", "Dropout"})
_SPATIAL = ({2, 3}, {-1, -2})


@dataclass(frozen=True, slots=True)
class _Head:
    """What stands between the last feature map and the logits.

    features: the tensor that the linear layer takes. grid: the one that is pooled. weight: (classes, features); None
    where the pooled values are the logits themselves.
    """

    features: str
    grid: str
    weight: _Array | None
    bias: _Array | None


def add_outputs(model: bytes, *, features: bool, maps: bool) -> bytes:
    """The model with further outputs.

    `features`: float32 (batch, features), the pooled vector that the linear layer takes. `maps`: float32 (batch,
    classes, height, width), class activation maps (Zhou et al. 2016, arXiv 1512.04150): the linear layer applied to
    each place of the last feature map, bias included, so that the mean over the places is the logit. They take a copy
    of the linear layer's weights, so that the way to the logits stays as it is. Raises SpecError for a network that
    does not end so.
    """
    parsed = onnx.load_from_string(model)
    graph = parsed.graph
    wanted = [name for name, asked in ((FEATURES, features), (MAPS, maps)) if asked]
    if any(output.name in wanted for output in graph.output):
        raise SpecError(f"this model has {' or '.join(wanted)} among its outputs already")
    for name in wanted:
        clear_name(graph, name)
    head = _head(graph)
    shapes = tensor_shapes(parsed)
    batch = shapes["logits"][0]
    if maps:
        grid = shapes.get(head.grid, (batch, "channels", "height", "width"))  # some operators' shapes are not known
        _add_maps(graph, head, (batch, *grid[1:]))
    if features:
        if head.weight is None:
            raise SpecError("this network's pooled values are its logits: there are no features before them")
        rename(graph, head.features, FEATURES)
        graph.output.append(float_output(FEATURES, (batch, head.weight.shape[1])))
    return serialized(parsed)


def require_maps_of_logits(model: bytes, pixels: Pixels) -> None:
    """Raises ParityError where the mean of the maps is not the logits, on uint8 pixels (N, height, width, channels)."""
    session = open_session(model, name="the model with maps")
    maps, logits = (run_batches(session, pixels[:1], output=name) for name in (MAPS, "logits"))
    difference = float(np.abs(maps.mean(axis=(2, 3)) - logits).max() / max(np.abs(logits).max(), 1e-30))
    if not difference <= TOLERANCE:
        raise ParityError(
            f"the mean of the class maps differs from the logits by {difference:.2g} of the largest (allowed "
            f"{TOLERANCE:.2g}); nothing was written",
            measured=difference,
            tolerance=TOLERANCE,
        )


def _add_maps(graph: GraphProto, head: _Head, grid: tuple[int | str, ...]) -> None:
    """grid: the shape of the pooled tensor, (batch, channels, height, width)."""
    classes = grid[1]
    if head.weight is None:
        rename(graph, head.grid, MAPS)
    else:
        weight = add_constant(graph, "maps_weight", head.weight[:, :, None, None])
        bias = [] if head.bias is None else [add_constant(graph, "maps_bias", head.bias)]
        graph.node.append(helper.make_node("Conv", [head.grid, weight, *bias], [MAPS], name=MAPS, kernel_shape=[1, 1]))
        classes = len(head.weight)
    graph.output.append(float_output(MAPS, (grid[0], classes, *grid[2:])))


def _head(graph: GraphProto) -> _Head:
    node, bias = _without_bias(graph, producer(graph, "logits"))
    if node is None or node.op_type not in ("Gemm", "MatMul"):
        return _Head("logits", _pooled(graph, _behind_reshaping(graph, "logits")), None, None)
    weight = constant(graph, node.input[1])
    if weight is None or attribute(node, "transA", 0) or {attribute(node, n, 1.0) for n in ("alpha", "beta")} != {1.0}:
        raise _no_head(f"a {node.op_type} of computed weights")
    if node.op_type == "Gemm" and len(node.input) > 2:
        bias = constant(graph, node.input[2])
    weight = weight if attribute(node, "transB", 0) else weight.T
    bias = None if bias is None else np.broadcast_to(bias.ravel(), (len(weight),))
    return _Head(node.input[0], _pooled(graph, _behind_reshaping(graph, node.input[0])), weight, bias)


def _without_bias(graph: GraphProto, node: NodeProto | None) -> tuple[NodeProto | None, _Array | None]:
    """The product whose result the node adds a constant to, and the constant; or the node itself."""
    if node is None or node.op_type != "Add":
        return node, None
    for name, other in ((node.input[0], node.input[1]), (node.input[1], node.input[0])):
        value = constant(graph, name)
        if value is not None:
            return producer(graph, other), value
    return node, None


def _behind_reshaping(graph: GraphProto, tensor: str) -> NodeProto | None:
    node = producer(graph, tensor)
    while node is not None and node.op_type in _RESHAPING:
        node = producer(graph, node.input[0])
    return node


def _pooled(graph: GraphProto, node: NodeProto | None) -> str:
    """The tensor that the node pools. Raises SpecError for a node that is no global average pooling."""
    if node is not None and node.op_type == "GlobalAveragePool":
        return str(node.input[0])
    if node is not None and node.op_type == "ReduceMean":
        held = constant(graph, node.input[1]) if len(node.input) > 1 else None
        axes = attribute(node, "axes", [] if held is None else held.tolist())
        if set(axes) in _SPATIAL:
            return str(node.input[0])
    raise _no_head(node.op_type if node is not None else "its input")


def _no_head(found: str) -> SpecError:
    return SpecError(
        f"features and activation maps are those of a float network that ends in global average pooling and one linear "
        f"layer; this one ends in {found}"
    )
