"""Which layers suffer from integers: each is quantized alone, and the answers compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from onnx import ModelProto

from edgekit.graph.index import Graph, copied
from edgekit.image.source import Pixels
from edgekit.preprocess.scores import Floats, softmax
from edgekit.quantize.qdq import Scheme, layers_of, quantized
from edgekit.quantize.ranges import Range
from edgekit.runtime.session import open_session, run_batches


def sensitivities(
    model: ModelProto,
    ranges: Mapping[str, Range],
    scheme: Scheme,
    pictures: Iterable[Pixels],
    *,
    on_layer: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """By layer, most sensitive first: the mean KL divergence of the probabilities from the float network's, in nats.

    model: its float form, nodes named. ranges: of `quantized_tensors`. pictures: calibration pictures, a few; the
    held-out ones must not decide what they judge. on_layer is called after each layer.
    """
    few = list(pictures)
    expected = _logits(model, few)
    found = {}
    for layer in layers_of(Graph(copied(model))):
        alone = quantized(model, ranges, scheme, chosen=lambda node, only=layer: node.name == only)  # type: ignore[misc]
        found[layer] = divergence(expected, _logits(alone, few))
        on_layer()
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def divergence(expected: Floats, found: Floats) -> float:
    """Mean KL divergence over the pictures, in nats, of the probabilities that belong to these logits (N, classes)."""
    return float(divergences(expected, found).mean())


def divergences(expected: Floats, found: Floats) -> Floats:
    """The KL divergence of each picture, in nats."""
    first = softmax(expected)
    tiny = np.finfo(np.float64).tiny
    terms = first * (np.log(np.maximum(first, tiny)) - _log_softmax(found))
    return np.asarray(np.maximum(terms.sum(axis=1), 0.0))  # rounding can bring equal answers below


def _log_softmax(logits: Floats) -> Floats:
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _logits(model: ModelProto, pictures: Sequence[Pixels]) -> Floats:
    session = open_session(model.SerializeToString(), name="the network")
    return np.concatenate([run_batches(session, pixels) for pixels in pictures])
