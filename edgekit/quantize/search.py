"""One recipe after the other, until a file passes the gate."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto

from edgekit.artifact.info import ArtifactInfo, parse_info, read_model, write_info, write_sidecar
from edgekit.artifact.paths import require_new_path
from edgekit.dataset import PictureSet
from edgekit.errors import ArtifactError, DataError, QualityGateError
from edgekit.files import sha256
from edgekit.quantize.candidates import Progress, Workshop, stepper
from edgekit.quantize.passes.weight_only import dense_share
from edgekit.quantize.pixel_cache import PixelStore, check_calibration
from edgekit.quantize.quality_gate import Gate, Judge, Judgement, misses
from edgekit.quantize.schemes import LADDER, Recipe
from edgekit.quantize.targets import Target, this_machine
from edgekit.runtime.cpu import machine

_LEAST_OPSET = 13  # from which DequantizeLinear takes one scale for each channel
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
    against: str | os.PathLike[str] | None = None,
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
    by agreement with the parent. None may be both. against: the float32 artifact that the result must not be worse
    than, where that is not the source: a network with other activations stands in for the original. recipes: instead
    of the ladder. target: the processor it is made for, by default this machine's. try_all: try every recipe, and write
    the best that passes. allow_worse: where none passes, write the nearest miss, marked as worse. on_trial is called
    with each result, on_doubt with what is doubtful about the pictures, a line each. Raises QualityGateError, with the
    figures of the nearest miss, where none passes; then nothing is written. DataError for pictures that cannot do, and
    for a file to stand in for that has other labels or another preprocessing.
    """
    require_new_path(source, path)
    model = read_model(source)
    info = parse_info(model, name=os.fspath(source))
    target = target or this_machine()
    _check_source(model, info, os.fspath(source))
    parent = model if against is None else _original(against, info)
    _check_apart(calibration, held_out)
    with (
        _stored(calibration, info, "reading calibration pictures", progress) as few,
        _stored(held_out, info, "reading held-out pictures", progress) as rest,
    ):
        for doubt in (*check_calibration(few, info.preprocess), *_check_held_out(rest)):
            on_doubt(doubt)
        judge = Judge(parent, rest, info, on_picture=stepper(progress, "answers of the parent", len(rest)))
        parsed = onnx.load_from_string(model)
        workshop = Workshop(parsed, few, target, progress)
        tried: list[Trial] = []
        for recipe in recipes or sensible_recipes(parsed):
            candidate, child = workshop.candidate(recipe), _child_info(info, model, recipe, few)
            on_picture = stepper(progress, f"judging {recipe.name}", len(rest))
            tried.append(_trial(recipe, judge.judgement(candidate, child, on_picture=on_picture), gate))
            on_trial(tried[-1])
            if tried[-1].passed and not try_all:
                break
        trial = _best(tried)
        if not trial.passed and not allow_worse:
            raise QualityGateError(_refusal(trial, len(tried)))
        if trial is not tried[-1]:  # made anew, to the same bytes: all of them would fill the memory
            candidate = workshop.candidate(trial.recipe)
        child = _with_evidence(_child_info(info, model, trial.recipe, few), trial, target, parent)
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


def _original(path: str | os.PathLike[str], info: ArtifactInfo) -> bytes:
    """The file that the source stands in for: it must take the same pixels and know the same labels."""
    model = read_model(path)
    original = parse_info(model, name=os.fspath(path))
    for what in ("labels", "preprocess"):
        if getattr(original, what) != getattr(info, what):
            raise DataError(f"{os.fspath(path)}: differs in its {what} from the model that is to stand in for it")
    return model


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
    return PixelStore(pictures, info.preprocess, on_picture=stepper(progress, stage, len(pictures)))


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


def _with_evidence(info: ArtifactInfo, trial: Trial, target: Target, parent: bytes) -> ArtifactInfo:
    evidence = trial.judgement.evidence() | {"recipe": trial.recipe.name}
    if sha256(parent) != info.parent_sha256:
        evidence["against_sha256"] = sha256(parent)
    if trial.recipe.storage == "integers":
        evidence["target"] = target.name
    if trial.failures:
        evidence["worse"] = "written in spite of the gate: it " + " and ".join(trial.failures)
    child = trial.judgement.child
    parity = {**info.parity, "quantize": evidence}
    return dataclasses.replace(info, parity=parity, metrics=None if child is None else child.to_dict())
