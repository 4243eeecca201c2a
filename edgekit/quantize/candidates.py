"""Where candidates are made, one for each recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from onnx import ModelProto

from edgekit.graph.clean import serialized
from edgekit.graph.index import Graph
from edgekit.quantize import calibrate as statistics
from edgekit.quantize.calibrate import Activations, Histogram
from edgekit.quantize.passes.canonicalize import prepared
from edgekit.quantize.passes.correct_bias import corrected
from edgekit.quantize.passes.equalize import equalized
from edgekit.quantize.passes.grouped_stem import with_grouped_stem
from edgekit.quantize.passes.weight_only import with_dense_int8, with_float16
from edgekit.quantize.pixel_cache import PixelStore
from edgekit.quantize.qdq import Scheme, layers_of, quantized, quantized_tensors
from edgekit.quantize.ranges import Calibrator, Range, needs_histogram, ranges
from edgekit.quantize.schemes import Recipe
from edgekit.quantize.sensitivity import sensitivities
from edgekit.quantize.targets import Target

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


class _Form(NamedTuple):
    """A form of the float network, which answers the same: channels equalized, pixels grouped before the stem."""

    equal: bool = False
    grouped: bool = False


class Workshop:
    """Makes candidates, and keeps what several recipes need: what was measured of the float network's activations."""

    def __init__(self, model: ModelProto, pictures: PixelStore, target: Target, progress: Progress) -> None:
        self._float = Graph(model).model  # with names for all nodes
        self._model = prepared(self._float)
        self._pictures, self._target, self._progress = pictures, target, progress
        self._models: dict[_Form, ModelProto] = {_Form(): self._model}
        self._activations: dict[_Form, dict[str, Activations]] = {}
        self._histograms: dict[_Form, dict[str, Histogram]] = {}
        self._sensitivities: Mapping[str, float] | None = None

    def candidate(self, recipe: Recipe) -> bytes:
        """The model that the recipe makes."""
        if recipe.storage == "dense-int8":
            return serialized(with_dense_int8(self._float))
        if recipe.storage == "float16":
            return serialized(with_float16(self._float))
        scheme = self._scheme(recipe)
        # A stem in float would be slower grouped, and one behind a reshape has no next layer to be equalized with.
        grouped = self._target.groups_pixels and not recipe.equalize and not recipe.keep_float
        form = _Form(equal=recipe.equalize, grouped=grouped)
        activations, chosen_ranges = self._measured(form), self._ranges(form, recipe.calibrator)
        model = self._in_form(form)
        kept = self._most_sensitive(recipe.keep_float)
        if recipe.correct_bias:
            model = corrected(model, activations, scheme, kept=kept)
        return serialized(quantized(model, chosen_ranges, scheme, chosen=lambda node: node.name not in kept))

    def _scheme(self, recipe: Recipe) -> Scheme:
        target = self._target
        return Scheme(per_channel=recipe.per_channel, activations=target.activations, saturating=target.saturating)

    def _in_form(self, form: _Form) -> ModelProto:
        if form not in self._models:
            model = equalized(self._model, self._measured(_Form())) if form.equal else self._model
            self._models[form] = with_grouped_stem(model) if form.grouped else model
        return self._models[form]

    def _measured(self, form: _Form) -> dict[str, Activations]:
        """The activations of the network in that form."""
        if form not in self._activations:
            model = self._in_form(form)
            counter = stepper(self._progress, "measuring activations", len(self._pictures))
            self._activations[form] = statistics.measure(
                model, quantized_tensors(model), self._pictures, on_picture=counter
            )
        return self._activations[form]

    def _ranges(self, form: _Form, calibrator: Calibrator) -> dict[str, Range]:
        activations = self._measured(form)
        if needs_histogram(calibrator) and form not in self._histograms:
            counter = stepper(self._progress, "measuring distributions", len(self._pictures))
            self._histograms[form] = statistics.histograms(
                self._in_form(form), activations, self._pictures, on_picture=counter
            )
        return ranges(calibrator, activations, self._histograms.get(form, {}))

    def _most_sensitive(self, share: float) -> set[str]:
        """Names of that share of the layers, at least one where any is asked for."""
        if not share:
            return set()
        if self._sensitivities is None:
            layers = layers_of(Graph(self._model))
            self._sensitivities = sensitivities(
                self._model,
                self._ranges(_Form(), "minmax"),
                self._scheme(Recipe(name="one layer")),
                self._pictures.first(_SENSITIVITY_PICTURES),
                on_layer=stepper(self._progress, "measuring how sensitive layers are", len(layers)),
            )
        order = list(self._sensitivities)
        return set(order[: math.ceil(share * len(order))])
