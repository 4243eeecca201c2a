"""Where candidates are made, one for each recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

from onnx import ModelProto

from edgekit.export.clean import serialized
from edgekit.export.quantize import statistics
from edgekit.export.quantize.bias import corrected
from edgekit.export.quantize.equalize import equalized
from edgekit.export.quantize.graph import Graph
from edgekit.export.quantize.prepare import prepared
from edgekit.export.quantize.qdq import Scheme, layers_of, quantized, quantized_tensors
from edgekit.export.quantize.ranges import Calibrator, Range, needs_histogram, ranges
from edgekit.export.quantize.recipes import Recipe
from edgekit.export.quantize.sensitivity import sensitivities
from edgekit.export.quantize.statistics import Activations, Histogram
from edgekit.export.quantize.stem import with_grouped_stem
from edgekit.export.quantize.storage import with_dense_int8, with_float16
from edgekit.export.quantize.store import PixelStore
from edgekit.export.quantize.targets import Target

# What is going on, how much of it is done, and how much there is.
Progress: TypeAlias = Callable[[str, int, int], None]

_SENSITIVITY_PICTURES = 8


def stepper(progress: Progress, stage: str, total: int) -> Callable[[], None]:
    """A function to call after each of `total` steps of a stage."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(stage, done, total)

    return step


class Workshop:
    """Makes candidates, and keeps what several recipes need: what was measured of the float network's activations."""

    def __init__(self, model: ModelProto, pictures: PixelStore, target: Target, progress: Progress) -> None:
        self._float = Graph(model).model  # with names for all nodes
        self._model = prepared(self._float)
        if target.groups_pixels:
            self._model = with_grouped_stem(self._model)
        self._pictures, self._target, self._progress = pictures, target, progress
        self._models: dict[bool, ModelProto] = {False: self._model}  # by whether it is equalized
        self._activations: dict[bool, dict[str, Activations]] = {}
        self._histograms: dict[bool, dict[str, Histogram]] = {}
        self._sensitivities: Mapping[str, float] | None = None

    def candidate(self, recipe: Recipe) -> bytes:
        """The model that the recipe makes."""
        if recipe.storage == "dense-int8":
            return serialized(with_dense_int8(self._float))
        if recipe.storage == "float16":
            return serialized(with_float16(self._float))
        scheme = self._scheme(recipe)
        activations, chosen_ranges = self._measured(recipe.equalize), self._ranges(recipe.equalize, recipe.calibrator)
        model = self._models[recipe.equalize]
        kept = self._most_sensitive(recipe.keep_float)
        if recipe.correct_bias:
            model = corrected(model, activations, scheme, kept=kept)
        return serialized(quantized(model, chosen_ranges, scheme, chosen=lambda node: node.name not in kept))

    def _scheme(self, recipe: Recipe) -> Scheme:
        target = self._target
        return Scheme(per_channel=recipe.per_channel, activations=target.activations, saturating=target.saturating)

    def _measured(self, equal: bool) -> dict[str, Activations]:
        """The activations of the network, or of its equalized form."""
        if equal and True not in self._models:
            self._models[True] = equalized(self._model, self._measured(False))
        if equal not in self._activations:
            model = self._models[equal]
            counter = stepper(self._progress, "measuring activations", len(self._pictures))
            self._activations[equal] = statistics.measure(
                model, quantized_tensors(model), self._pictures, on_picture=counter
            )
        return self._activations[equal]

    def _ranges(self, equal: bool, calibrator: Calibrator) -> dict[str, Range]:
        activations = self._measured(equal)
        if needs_histogram(calibrator) and equal not in self._histograms:
            counter = stepper(self._progress, "measuring distributions", len(self._pictures))
            self._histograms[equal] = statistics.histograms(
                self._models[equal], activations, self._pictures, on_picture=counter
            )
        return ranges(calibrator, activations, self._histograms.get(equal, {}))

    def _most_sensitive(self, share: float) -> set[str]:
        """Names of that share of the layers, at least one where any is asked for."""
        if not share:
            return set()
        if self._sensitivities is None:
            layers = layers_of(Graph(self._model))
            self._sensitivities = sensitivities(
                self._model,
                self._ranges(False, "minmax"),
                self._scheme(Recipe(name="one layer")),
                self._pictures.first(_SENSITIVITY_PICTURES),
                on_layer=stepper(self._progress, "measuring how sensitive layers are", len(layers)),
            )
        order = list(self._sensitivities)
        return set(order[: math.ceil(share * len(order))])
