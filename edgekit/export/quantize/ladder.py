"""One recipe after the other, until a file passes the gate."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import onnx
from onnx import ModelProto

from edgekit.artifact import ArtifactInfo, parse_info, read_model, write_info, write_sidecar
from edgekit.dataset import PictureSet
from edgekit.errors import ArtifactError, DataError, QualityGateError
from edgekit.export.clean import serialized
from edgekit.export.quantize import statistics
from edgekit.export.quantize.bias import corrected
from edgekit.export.quantize.equalize import equalized
from edgekit.export.quantize.graph import Graph
from edgekit.export.quantize.judge import Gate, Judge, Judgement, misses
from edgekit.export.quantize.prepare import prepared
from edgekit.export.quantize.qdq import Scheme, layers_of, quantized, quantized_tensors
from edgekit.export.quantize.ranges import Calibrator, Range, needs_histogram, ranges
from edgekit.export.quantize.recipes import LADDER, Recipe
from edgekit.export.quantize.sensitivity import sensitivities
from edgekit.export.quantize.statistics import Activations, Histogram
from edgekit.export.quantize.storage import dense_share, with_dense_int8, with_float16
from edgekit.export.quantize.store import PixelStore, check_calibration
from edgekit.export.quantize.targets import Target, this_machine
from edgekit.files import sha256
from edgekit.runtime.machine import machine

# What is going on, how much of it is done, and how much there is.
Progress: TypeAlias = Callable[[str, int, int], None]

_LEAST_OPSET = 13  # from which DequantizeLinear takes one scale for each channel
_SENSITIVITY_PICTURES = 8
_DENSE = 0.5  # share of the weights in fully connected layers from which their own recipe is tried
_FEW_HELD_OUT = 100
# Of files that pass, those this close to the fastest count as fast as it, and the most faithful one is taken.
_AS_FAST = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A recipe that was tried. failures: the limits of the gate that it passed; none where it is good."""

    recipe: Recipe
    judgement: Judgement
    failures: tuple[str, ...]
    excess: float

    @property
    def passed(self) -> bool:
        """Whether the gate lets it through."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        figures = self.judgement.evidence() | self.judgement.costs() | {"size_bytes": self.judgement.size_bytes}
        return {"recipe": self.recipe.name, **figures, "failures": list(self.failures)}


def quantize(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    calibration: PictureSet,
    held_out: PictureSet,
    recipes: Sequence[Recipe] | None = None,
    target: Target | None = None,
    gate: Gate = Gate(),  # noqa: B008  (frozen)
    try_all: bool = False,
    allow_worse: bool = False,
    on_trial: Callable[[Trial], None] = lambda trial: None,
    on_doubt: Callable[[str], None] = lambda doubt: None,
    progress: Progress = lambda stage, done, total: None,
) -> Trial:
    """Write a smaller artifact to a new path, made by the first recipe whose result passes the gate.

    calibration: pictures whose activations set the ranges. held_out: pictures that judge; with classes by top-1, else
    by agreement with the parent. None may be both. recipes: instead of the ladder. target: the processor it is made
    for, by default this machine's. try_all: try every recipe, and write the best that passes. allow_worse: where none
    passes, write the nearest miss, marked as worse. on_trial is called with each result, on_doubt with what is doubtful
    about the pictures, a line each. Raises QualityGateError, with the figures of the nearest miss, where none passes;
    then nothing is written. DataError for pictures that cannot do.
    """
    model = read_model(source)
    info = parse_info(model, name=os.fspath(source))
    target = target or this_machine()
    _check_source(model, info, os.fspath(source))
    _check_apart(calibration, held_out)
    with (
        _stored(calibration, info, "reading calibration pictures", progress) as few,
        _stored(held_out, info, "reading held-out pictures", progress) as rest,
    ):
        for doubt in (*check_calibration(few, info.preprocess), *_check_held_out(rest)):
            on_doubt(doubt)
        judge = Judge(model, rest, info, on_picture=_counter(progress, "answers of the parent", len(rest)))
        parsed = onnx.load_from_string(model)
        workshop = _Workshop(parsed, few, target, progress)
        tried: list[Trial] = []
        for recipe in recipes or sensible_recipes(parsed):
            candidate, child = workshop.candidate(recipe), _child_info(info, model, recipe, few)
            counter = _counter(progress, f"judging {recipe.name}", len(rest))
            tried.append(_trial(recipe, judge.judgement(candidate, child, on_picture=counter), gate))
            on_trial(tried[-1])
            if tried[-1].passed and not try_all:
                break
        trial = _best(tried)
        if not trial.passed and not allow_worse:
            raise QualityGateError(_refusal(trial, len(tried)))
        if trial is not tried[-1]:  # made anew, to the same bytes: all of them would fill the memory
            candidate = workshop.candidate(trial.recipe)
        child = _with_evidence(_child_info(info, model, trial.recipe, few), trial, target)
    write_info(candidate, child, Path(path))
    write_sidecar(path, {**trial.judgement.costs(), "machine": machine()})
    return trial


def sensible_recipes(model: ModelProto) -> list[Recipe]:
    """The ladder for this network."""
    dense = dense_share(model) >= _DENSE
    return [recipe for recipe in LADDER if dense or recipe.storage != "dense-int8"]


def _check_source(model: bytes, info: ArtifactInfo, name: str) -> None:
    if info.precision != "float32":
        raise DataError(f"{name}: is {info.precision} already; quantize the float32 file")
    parsed = onnx.load_from_string(model)
    opset = max((o.version for o in parsed.opset_import if not o.domain), default=0)
    if opset < _LEAST_OPSET:
        raise ArtifactError(f"{name}: is of opset {opset}; quantizing needs {_LEAST_OPSET} or later, so export it anew")
    batch = parsed.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    if batch > 1:
        raise ArtifactError(f"{name}: takes {batch} pictures at a time; quantize a file with an open batch")


def _check_apart(calibration: PictureSet, held_out: PictureSet) -> None:
    shared = set(calibration.names) & set(held_out.names)
    if shared:
        raise DataError(f"{len(shared)} pictures are to calibrate and to judge ({min(shared)}); keep them apart")


def _check_held_out(store: PixelStore) -> list[str]:
    if not len(store):
        reason = f"; the first: {store.unreadable[0].reason}" if store.unreadable else ""
        raise DataError(f"no held-out picture to judge on{reason}")
    doubts = [f"{len(store.unreadable)} held-out pictures cannot be read and are left out"] * bool(store.unreadable)
    if len(store) < _FEW_HELD_OUT:
        doubts.append(f"{len(store)} held-out pictures judge coarsely: one of them is {100 / len(store):.1f} points")
    return doubts


def _stored(pictures: PictureSet, info: ArtifactInfo, stage: str, progress: Progress) -> PixelStore:
    return PixelStore(pictures, info.preprocess, on_picture=_counter(progress, stage, len(pictures)))


def _counter(progress: Progress, stage: str, total: int) -> Callable[[], None]:
    """A function to call after each of `total` steps of a stage."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(stage, done, total)

    return step


def _trial(recipe: Recipe, judgement: Judgement, gate: Gate) -> Trial:
    found = misses(judgement, gate)
    return Trial(
        recipe=recipe,
        judgement=judgement,
        failures=tuple(said for said, _ in found),
        excess=sum(excess for _, excess in found),
    )


def _best(tried: Sequence[Trial]) -> Trial:
    """The most faithful of the fastest that pass; the nearest miss where none does."""
    good = [trial for trial in tried if trial.passed]
    if not good:
        return min(tried, key=lambda trial: (math.isnan(trial.excess), trial.excess))
    fastest = max(trial.judgement.speedup for trial in good)
    fast = [trial for trial in good if trial.judgement.speedup >= _AS_FAST * fastest]
    return min(fast, key=lambda trial: (trial.judgement.drop or 0.0, trial.judgement.divergence))


def _refusal(trial: Trial, count: int) -> str:
    said = " and ".join(trial.failures)
    if count == 1:
        return f"{trial.recipe.name} {said}; nothing was written"
    return f"none of {count} recipes passes; the nearest miss, {trial.recipe.name}, {said}; nothing was written"


def _child_info(info: ArtifactInfo, model: bytes, recipe: Recipe, few: PixelStore) -> ArtifactInfo:
    calibration = {"pictures": len(few), "sha256": few.sha256, "method": recipe.calibrator}
    return dataclasses.replace(
        info,
        precision=recipe.precision,
        parent_sha256=sha256(model),
        calibration=calibration if recipe.storage == "integers" else None,
    )


def _with_evidence(info: ArtifactInfo, trial: Trial, target: Target) -> ArtifactInfo:
    evidence = trial.judgement.evidence() | {"recipe": trial.recipe.name}
    if trial.recipe.storage == "integers":
        evidence["target"] = target.name
    if trial.failures:
        evidence["worse"] = "written in spite of the gate: it " + " and ".join(trial.failures)
    child = trial.judgement.child
    parity = {**info.parity, "quantize": evidence}
    return dataclasses.replace(info, parity=parity, metrics=None if child is None else child.to_dict())


class _Workshop:
    """Makes candidates, and keeps what several recipes need: what was measured of the float network's activations."""

    def __init__(self, model: ModelProto, pictures: PixelStore, target: Target, progress: Progress) -> None:
        self._float = Graph(model).model  # with names for all nodes
        self._model = prepared(self._float)
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
            counter = _counter(self._progress, "measuring activations", len(self._pictures))
            self._activations[equal] = statistics.measure(
                model, quantized_tensors(model), self._pictures, on_picture=counter
            )
        return self._activations[equal]

    def _ranges(self, equal: bool, calibrator: Calibrator) -> dict[str, Range]:
        activations = self._measured(equal)
        if needs_histogram(calibrator) and equal not in self._histograms:
            counter = _counter(self._progress, "measuring distributions", len(self._pictures))
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
                on_layer=_counter(self._progress, "measuring how sensitive layers are", len(layers)),
            )
        order = list(self._sensitivities)
        return set(order[: math.ceil(share * len(order))])
