"""Which layers suffer from integers: each is quantized alone, and the logits compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from onnx import ModelProto

from edgekit.evaluate.parity import divergence
from edgekit.graph.index import Graph
from edgekit.image.source import Pixels
from edgekit.preprocess.scores import Floats
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
    on_layer: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """By layer, most sensitive first: the mean KL divergence of the probabilities from the float network's, in nats.

    model: the float network, with named nodes. ranges: of `quantized_tensors`. images: a few calibration images; the
    held-out ones must not decide what they judge. on_layer is called after each layer.
    """
    pixels = list(images)
    expected = _logits(model, pixels)
    graph = Graph(model)
    names = {node.name for node in graph.nodes}
    sensitivities = {}
    for layer in graph.layers():
        alone = insert_qdq(model, ranges=ranges, weight_format=weight_format, float_nodes=names - {layer.name})
        sensitivities[layer.name] = divergence(expected, _logits(alone, pixels))
        on_layer()
    return dict(sorted(sensitivities.items(), key=lambda item: -item[1]))


def _logits(model: ModelProto, images: Sequence[Pixels]) -> Floats:
    session = open_session(model.SerializeToString(), name="the network")
    return np.concatenate([run_batches(session, pixels) for pixels in images])
