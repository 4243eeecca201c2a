"""Measures the sensitivity of each layer to quantization: quantizes it alone and compares the probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from onnx import ModelProto

from edgekit.evaluate.parity import divergence
from edgekit.graph.index import Graph
from edgekit.image.source import Pixels
from edgekit.preprocess.scores import Floats
from edgekit.preprocess.scoring import SINGLE_LABEL, Scoring
from edgekit.quantize.passes.insert_qdq import insert_qdq
from edgekit.quantize.ranges import Range
from edgekit.quantize.weight_format import WeightFormat
from edgekit.runtime.session import open_session, run_batches


def layer_sensitivities(
    model: ModelProto,
    *,
    ranges: Mapping[str, Range],
    weight_format: WeightFormat,
    images: Iterable[Pixels],
    target: str | None = None,
    scoring: Scoring = SINGLE_LABEL,
    on_layer: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Measure how much each layer suffers from 8-bit integers.

    Args:
        model: float network with named nodes.
        ranges: ranges of `quantized_tensors(model)`.
        weight_format: how the weights are rounded.
        images: a few calibration images, uint8 (1, height, width, channels); never held-out ones, which must not
            influence the model that they are used to judge.
        target: name of the processor that is quantized for, as which layers are computed.
        scoring: how the network's logits become probabilities.
        on_layer: called after each layer.

    Returns:
        The mean KL divergence of the probabilities from the float network's, in nats, by layer name, most sensitive
        layer first.
    """
    pixels = list(images)
    expected = _logits(model, pixels)
    graph = Graph(model)
    names = {node.name for node in graph.nodes}
    sensitivities = {}
    for layer in graph.layers():
        quantized = insert_qdq(model, ranges=ranges, weight_format=weight_format, float_nodes=names - {layer.name})
        sensitivities[layer.name] = divergence(expected, _logits(quantized, pixels, target), scoring=scoring)
        on_layer()
    return dict(sorted(sensitivities.items(), key=lambda item: -item[1]))


def _logits(model: ModelProto, images: Sequence[Pixels], target: str | None = None) -> Floats:
    session = open_session(model.SerializeToString(), name="the network", target=target)
    return np.concatenate([run_batches(session, pixels) for pixels in images])
