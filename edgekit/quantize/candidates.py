"""Builds the candidate model of a scheme: the measurements and graph passes that turn the float network into it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from onnx import ModelProto

from edgekit.graph.index import Graph, is_depthwise
from edgekit.graph.passes.clean import serialized
from edgekit.preprocess.scoring import SINGLE_LABEL, Scoring
from edgekit.quantize.calibrate import (
    ActivationStatistics,
    Histogram,
    activation_histograms,
    activation_statistics,
)
from edgekit.quantize.passes.canonicalize import canonicalize
from edgekit.quantize.passes.correct_bias import correct_bias
from edgekit.quantize.passes.equalize import equalize
from edgekit.quantize.passes.expand_hard_swish import expand_hard_swish
from edgekit.quantize.passes.group_stem import group_stem
from edgekit.quantize.passes.insert_qdq import insert_qdq, quantized_tensors
from edgekit.quantize.passes.read_pixels import read_pixels
from edgekit.quantize.passes.store_dense_int8 import store_dense_int8
from edgekit.quantize.passes.store_float16 import store_float16
from edgekit.quantize.passes.store_weights_int8 import store_weights_int8
from edgekit.quantize.pixel_cache import PixelCache
from edgekit.quantize.ranges import Calibrator, Range, needs_histogram, tensor_ranges
from edgekit.quantize.schemes import Scheme
from edgekit.quantize.sensitivity import layer_sensitivities
from edgekit.quantize.weight_format import WeightFormat
from edgekit.runtime.targets import Target
from edgekit.stages import StageProgress, step_counter

_SENSITIVITY_IMAGES = 8
# The passes of the schemes that compute in float32, by how they store weights.
_STORES = {"int8-weights": store_weights_int8, "dense-int8": store_dense_int8, "float16": store_float16}


def depthwise_layers(model: ModelProto) -> set[str]:
    """The names of the depthwise layers of a float network with named nodes."""
    graph = Graph(model)
    return {
        node.name
        for node in graph.layers()
        if (weights := graph.weights(node)) is not None and is_depthwise(node, weights.shape)
    }


class _FloatForm(NamedTuple):
    """An equivalent form of the float network: with equalized channels, with pixels grouped before the stem."""

    equalized: bool = False
    grouped: bool = False


class CandidateBuilder:
    """Builds candidates of a float network, and caches the activation measurements that several schemes share.

    Args:
        model: float32 network.
        images: calibration images.
        target: processor that the candidates are built for.
        progress: called after each step of a measurement.
        scoring: how the network's logits become probabilities.
    """

    def __init__(
        self,
        model: ModelProto,
        images: PixelCache,
        *,
        target: Target,
        progress: StageProgress,
        scoring: Scoring = SINGLE_LABEL,
    ) -> None:
        self._model, self._images, self._target, self._progress = model, images, target, progress
        self._scoring = scoring
        self._statistics: dict[_FloatForm, dict[str, ActivationStatistics]] = {}
        self._histograms: dict[_FloatForm, dict[str, Histogram]] = {}
        self._sensitivities: Mapping[str, float] | None = None

    def build(self, scheme: Scheme) -> bytes:
        """Run the scheme's sequence of passes.

        Args:
            scheme: how to quantize.

        Returns:
            The bytes of the candidate, an ONNX model without edgekit's metadata.

        Raises:
            ArtifactError: an activation is not finite on a calibration image.
            DataError: the network has no layer that the scheme applies to.
        """
        if scheme.storage == "unchanged":
            return serialized(self._model)
        if scheme.storage in _STORES:
            return serialized(_STORES[scheme.storage](self._model))
        model = canonical = expand_hard_swish(canonicalize(self._model))
        form = self._form(scheme)
        if form.equalized:
            model = equalize(model, statistics=self._statistics_of(model, _FloatForm()))
        if form.grouped:
            model = group_stem(model)
        statistics = self._statistics_of(model, form)
        ranges = self._ranges_of(model, form, scheme.calibrator)
        weight_format = self._weight_format(per_channel=scheme.per_channel)
        float_nodes = self._most_sensitive(canonical, scheme.keep_float)
        if self._target.float_depthwise:
            float_nodes |= depthwise_layers(canonical)
        if scheme.correct_bias:
            model = correct_bias(model, statistics=statistics, weight_format=weight_format, float_nodes=float_nodes)
        model = insert_qdq(model, ranges=ranges, weight_format=weight_format, float_nodes=float_nodes)
        return serialized(read_pixels(model))

    def _form(self, scheme: Scheme) -> _FloatForm:
        # Grouping makes a float stem slower, and puts a reshape between the stem and the layer to equalize it with.
        grouped = self._target.groups_pixels and not scheme.equalize and not scheme.keep_float
        return _FloatForm(equalized=scheme.equalize, grouped=grouped)

    def _weight_format(self, *, per_channel: bool) -> WeightFormat:
        target = self._target
        return WeightFormat(per_channel=per_channel, activations=target.activations, saturating=target.saturating)

    def _statistics_of(self, model: ModelProto, form: _FloatForm) -> dict[str, ActivationStatistics]:
        """The activation statistics of `model`, which is the network in that form."""
        if form not in self._statistics:
            counter = step_counter(self._progress, "measuring activations", len(self._images))
            self._statistics[form] = activation_statistics(
                model, quantized_tensors(model), images=self._images, on_image=counter
            )
        return self._statistics[form]

    def _ranges_of(self, model: ModelProto, form: _FloatForm, calibrator: Calibrator) -> dict[str, Range]:
        statistics = self._statistics_of(model, form)
        if needs_histogram(calibrator) and form not in self._histograms:
            counter = step_counter(self._progress, "measuring activation histograms", len(self._images))
            self._histograms[form] = activation_histograms(model, statistics, images=self._images, on_image=counter)
        return tensor_ranges(statistics, self._histograms.get(form, {}), calibrator=calibrator)

    def _most_sensitive(self, model: ModelProto, share: float) -> set[str]:
        """Names of the most sensitive `share` of the layers of the canonical network, at least one if share > 0."""
        if not share:
            return set()
        if self._sensitivities is None:
            counter = step_counter(self._progress, "measuring layer sensitivity", len(Graph(model).layers()))
            self._sensitivities = layer_sensitivities(
                model,
                ranges=self._ranges_of(model, _FloatForm(), "minmax"),
                weight_format=self._weight_format(per_channel=True),
                images=self._images.first(_SENSITIVITY_IMAGES),
                target=self._target.name,
                scoring=self._scoring,
                on_layer=counter,
            )
        by_sensitivity = list(self._sensitivities)
        return set(by_sensitivity[: math.ceil(share * len(by_sensitivity))])
