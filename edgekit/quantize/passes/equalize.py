"""Equalize the ranges of the channels across neighboring layers, without changing the outputs of the network.

Nagel, van Baalen, Blankevoort, Welling, Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV
2019 (arXiv:1906.04721), section 4.1.

1. Finds pairs of convolutions of which the first feeds only the second, with Relu, Clip from zero or pooling between
   them.
2. Divides output channel i of the first by s_i and multiplies input channel i of the second by it, where
   s_i = sqrt(r1_i / r2_i), so that both have the range sqrt(r1_i r2_i). Repeats this for all pairs until it converges.
3. If a Clip lies between them, keeps the scale of channels that reach its upper bound on the calibration images, and
   limits the others so that they stay below it: Relu commutes with any positive scale, Relu6 does not.
4. Leaves unchanged: grouped convolutions that are not depthwise, shared or computed weights, and pairs whose
   activation was not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto

from edgekit.artifact.integer_weights import along_axis
from edgekit.graph.edit import set_constant
from edgekit.graph.index import Graph, attribute, clip_bounds, is_depthwise
from edgekit.graph.passes.name_nodes import name_nodes
from edgekit.quantize.calibrate import ActivationStatistics

_ROUNDS = 20
_CONVERGED = 1e-3
_LARGEST_SCALE = 1e4
# A channel whose maximum is at least this fraction of the upper bound of its Clip counts as reaching it.
_HEADROOM = 0.95
_PER_CHANNEL = frozenset({"MaxPool", "AveragePool", "GlobalAveragePool"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPair:
    """Two consecutive convolutions.

    Attributes:
        first: the first convolution.
        second: the second.
        activation: name of the output of the activation function after the first.
        ceiling: upper bound of that activation; infinite for Relu and for none.
    """

    first: NodeProto
    second: NodeProto
    activation: str
    ceiling: float


def equalize(model: ModelProto, *, statistics: Mapping[str, ActivationStatistics]) -> ModelProto:
    """Equalize the channels; see the rules above.

    Args:
        model: float network; not changed.
        statistics: statistics of `quantized_tensors(model)`.

    Returns:
        A float model with the same outputs, up to float32 rounding.
    """
    graph = Graph(name_nodes(model))
    pairs = [pair for pair in layer_pairs(graph) if pair.activation in statistics]
    highest = {pair.activation: statistics[pair.activation].channel_highest for pair in pairs}
    for _ in range(_ROUNDS):
        largest_step = 0.0
        for pair in pairs:
            scales = _scales(graph, pair, highest[pair.activation])
            _apply(graph, pair, scales)
            highest[pair.activation] = highest[pair.activation] / scales
            largest_step = max(largest_step, float(np.abs(np.log(scales)).max()))
        if largest_step < _CONVERGED:
            break
    return graph.model


def layer_pairs(graph: Graph) -> list[LayerPair]:
    """The pairs of convolutions of rule 1."""
    pairs = (_pair(graph, node) for node in graph.nodes if node.op_type == "Conv" and _owns_weights(graph, node))
    return [pair for pair in pairs if pair is not None]


def _pair(graph: Graph, first: NodeProto) -> LayerPair | None:
    tensor = activation = first.output[0]
    ceiling = np.inf
    while (consumer := graph.only_consumer(tensor)) is not None:
        bounds = clip_bounds(graph, consumer)
        if consumer.op_type == "Conv":
            can_scale = _owns_weights(graph, consumer) and _input_ranges(graph, consumer) is not None
            pair = LayerPair(first=first, second=consumer, activation=activation, ceiling=ceiling)
            return pair if can_scale else None
        if bounds is not None and bounds[0] == 0:
            tensor = activation = consumer.output[0]
            ceiling = min(ceiling, bounds[1])
        elif consumer.op_type in _PER_CHANNEL:
            tensor = consumer.output[0]
        else:
            return None
    return None


def _owns_weights(graph: Graph, node: NodeProto) -> bool:
    """Whether weights and bias are constants that no other node uses."""
    return graph.weights(node) is not None and all(
        name in graph.initializers and len(graph.consumers(name)) == 1 for name in node.input[1:] if name
    )


def _scales(graph: Graph, pair: LayerPair, highest: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """float64 (channels,), s_i of rules 2 and 3. highest: the largest value of each channel of the activation."""
    weights, input_ranges = graph.weights(pair.first), _input_ranges(graph, pair.second)
    output_ranges = np.abs(weights).reshape(len(weights), -1).max(axis=1)  # type: ignore[arg-type]
    if input_ranges is None or len(input_ranges) != len(output_ranges):
        return np.ones(len(output_ranges))
    with np.errstate(divide="ignore", invalid="ignore"):
        scales = np.sqrt(output_ranges.astype(np.float64) / input_ranges)
    usable = np.isfinite(scales) & (scales > 0)
    scales = np.clip(np.where(usable, scales, 1.0), 1 / _LARGEST_SCALE, _LARGEST_SCALE)
    if np.isinf(pair.ceiling):
        return scales
    limited = np.maximum(scales, highest / (_HEADROOM * pair.ceiling))
    return np.where(highest >= _HEADROOM * pair.ceiling, 1.0, limited)


def _input_ranges(graph: Graph, node: NodeProto) -> npt.NDArray[np.float64] | None:
    """The largest absolute weight of each input channel; None for grouped convolutions that are not depthwise."""
    weights = graph.weights(node)
    if weights is None:
        return None
    axis = _input_axis(node, weights.shape)
    other_axes = tuple(a for a in range(weights.ndim) if a != axis)
    return None if axis is None else np.abs(weights).max(axis=other_axes).astype(np.float64)


def _input_axis(node: NodeProto, shape: tuple[int, ...]) -> int | None:
    if attribute(node, "group", 1) == 1:
        return 1
    return 0 if is_depthwise(node, shape) else None


def _apply(graph: Graph, pair: LayerPair, scales: npt.NDArray[np.float64]) -> None:
    first, second = graph.weights(pair.first), graph.weights(pair.second)
    if first is None or second is None:
        return
    divided = first / along_axis(scales, 0, ndim=first.ndim)
    set_constant(graph, pair.first.input[1], divided.astype(np.float32))
    if len(pair.first.input) > 2 and pair.first.input[2]:
        bias = graph.constant(pair.first.input[2])
        set_constant(graph, pair.first.input[2], (np.asarray(bias, np.float64) / scales).astype(np.float32))
    axis = _input_axis(pair.second, second.shape)
    if axis is not None:
        multiplied = second * along_axis(scales, axis, ndim=second.ndim)
        set_constant(graph, pair.second.input[1], multiplied.astype(np.float32))
