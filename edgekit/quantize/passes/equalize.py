"""Cross-layer equalization: neighboring layers share the ranges of their channels, and the network stays the same.

Nagel, van Baalen, Blankevoort, Welling, Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV
2019 (arXiv:1906.04721), section 4.1. What channel i of a layer puts out is divided by s_i and what the next layer makes
of it multiplied, with s_i = sqrt(r1_i / r2_i), so that both have the range sqrt(r1_i r2_i).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto

from edgekit.graph.index import Graph, attribute, bounds, copied, is_depthwise
from edgekit.quantize.calibrate import Activations

_ROUNDS = 20
_SETTLED = 1e-3
_LARGEST_SCALE = 1e4
# A channel that came this close to the ceiling of its Clip counts as one that reaches it.
_HEADROOM = 0.95
_PER_CHANNEL = frozenset({"MaxPool", "AveragePool", "GlobalAveragePool"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two convolutions, one after the other.

    seen: the tensor behind the first one's activation. ceiling: where that activation cuts (infinite for Relu and for
    none).
    """

    first: NodeProto
    second: NodeProto
    seen: str
    ceiling: float


def equalized(model: ModelProto, activations: Mapping[str, Activations]) -> ModelProto:
    """A new model with the same answers and evener channels. activations: of the tensors of `quantized_tensors`.

    Relu lets any positive scale through; Relu6 does not. So channels that reach its ceiling on the calibration pictures
    keep their scale, and the others grow no further than below it.
    """
    graph = Graph(copied(model))
    found = [pair for pair in pairs(graph) if pair.seen in activations]
    highest = {pair.seen: activations[pair.seen].channel_highest for pair in found}
    for _ in range(_ROUNDS):
        largest_move = 0.0
        for pair in found:
            scales = _scales(graph, pair, highest[pair.seen])
            _apply(graph, pair, scales)
            highest[pair.seen] = highest[pair.seen] / scales
            largest_move = max(largest_move, float(np.abs(np.log(scales)).max()))
        if largest_move < _SETTLED:
            break
    return graph.model


def pairs(graph: Graph) -> list[Pair]:
    """Convolutions that feed nothing but one convolution, with Relu, Clip from zero or pooling between them."""
    found = (_pair(graph, node) for node in graph.nodes if node.op_type == "Conv" and _owns_weights(graph, node))
    return [pair for pair in found if pair is not None]


def _pair(graph: Graph, first: NodeProto) -> Pair | None:
    tensor = seen = first.output[0]
    ceiling = np.inf
    while (taker := graph.only_taker(tensor)) is not None:
        limits = bounds(graph, taker)
        if taker.op_type == "Conv":
            fits = _owns_weights(graph, taker) and _in_ranges(graph, taker) is not None
            return Pair(first=first, second=taker, seen=seen, ceiling=ceiling) if fits else None
        if limits is not None and limits[0] == 0:
            tensor = seen = taker.output[0]
            ceiling = min(ceiling, limits[1])
        elif taker.op_type in _PER_CHANNEL:
            tensor = taker.output[0]
        else:
            return None
    return None


def _owns_weights(graph: Graph, node: NodeProto) -> bool:
    """Whether weights and bias are constants that no other node uses."""
    return graph.weights(node) is not None and all(
        name in graph.initializers and len(graph.takers[name]) == 1 for name in node.input[1:] if name
    )


def _scales(graph: Graph, pair: Pair, highest: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """By what each channel between the two is divided."""
    weights = graph.weights(pair.first)
    ours, theirs = np.abs(weights).reshape(len(weights), -1).max(axis=1), _in_ranges(graph, pair.second)  # type: ignore[arg-type]
    if theirs is None or len(theirs) != len(ours):
        return np.ones(len(ours))
    with np.errstate(divide="ignore", invalid="ignore"):
        scales = np.sqrt(ours.astype(np.float64) / theirs)
    usable = np.isfinite(scales) & (scales > 0)
    scales = np.clip(np.where(usable, scales, 1.0), 1 / _LARGEST_SCALE, _LARGEST_SCALE)
    if np.isinf(pair.ceiling):
        return scales
    below = np.maximum(scales, highest / (_HEADROOM * pair.ceiling))
    return np.where(highest >= _HEADROOM * pair.ceiling, 1.0, below)


def _in_ranges(graph: Graph, node: NodeProto) -> npt.NDArray[np.float64] | None:
    """The largest absolute weight by input channel; None for grouped convolutions that are not depthwise."""
    weights = graph.weights(node)
    if weights is None:
        return None
    axis = _in_axis(node, weights.shape)
    others = tuple(a for a in range(weights.ndim) if a != axis)
    return None if axis is None else np.abs(weights).max(axis=others).astype(np.float64)


def _in_axis(node: NodeProto, shape: tuple[int, ...]) -> int | None:
    if attribute(node, "group", 1) == 1:
        return 1
    return 0 if is_depthwise(node, shape) else None


def _apply(graph: Graph, pair: Pair, scales: npt.NDArray[np.float64]) -> None:
    first, second = graph.weights(pair.first), graph.weights(pair.second)
    if first is None or second is None:
        return
    graph.put(pair.first.input[1], (first / _along(scales, 0, first.ndim)).astype(np.float32))
    if len(pair.first.input) > 2 and pair.first.input[2]:
        bias = graph.constant(pair.first.input[2])
        graph.put(pair.first.input[2], (np.asarray(bias, np.float64) / scales).astype(np.float32))
    axis = _in_axis(pair.second, second.shape)
    if axis is not None:
        graph.put(pair.second.input[1], (second * _along(scales, axis, second.ndim)).astype(np.float32))


def _along(scales: npt.NDArray[np.float64], axis: int, dimensions: int) -> npt.NDArray[np.float64]:
    return scales.reshape([-1 if a == axis else 1 for a in range(dimensions)])
