"""Quantize a float32 file: one scheme after the other, until a candidate passes the gate."""

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
from edgekit.dataset import ImageSet
from edgekit.errors import ArtifactError, DataError, QualityGateError
from edgekit.files import sha256
from edgekit.quantize.candidates import CandidateBuilder, StageProgress, step_counter
from edgekit.quantize.passes.store_dense_int8 import dense_share
from edgekit.quantize.pixel_cache import PixelCache, check_calibration
from edgekit.quantize.quality_gate import Gate, HeldOutEvaluator, HeldOutResult, gate_failures
from edgekit.quantize.schemes import SEARCH_ORDER, Scheme
from edgekit.quantize.targets import Target, this_machine
from edgekit.runtime.cpu import machine

_LEAST_OPSET = 13  # from which DequantizeLinear takes one scale for each channel
_DENSE = 0.5  # share of the weights in fully connected layers from which their own scheme is tried
_FEW_HELD_OUT = 100
# Of the candidates that pass, those this close to the fastest count as fast as it, and the most faithful one is chosen.
_AS_FAST = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A scheme that was tried.

    failures: the limits of the gate that the candidate exceeds, none if it passes. excess: by how much, over all.
    """

    scheme: Scheme
    result: HeldOutResult
    failures: tuple[str, ...]
    excess: float

    @property
    def passed(self) -> bool:
        """Whether the candidate passes the gate."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        figures = self.result.evidence() | self.result.costs() | {"size_bytes": self.result.size_bytes}
        return {"recipe": self.scheme.name, **figures, "failures": list(self.failures)}


def quantize(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    calibration: ImageSet,
    held_out: ImageSet,
    against: str | os.PathLike[str] | None = None,
    schemes: Sequence[Scheme] | None = None,
    target: Target | None = None,
    gate: Gate = Gate(),  # noqa: B008  (frozen)
    try_all: bool = False,
    allow_worse: bool = False,
    on_trial: Callable[[Trial], None] = lambda trial: None,
    on_warning: Callable[[str], None] = lambda warning: None,
    progress: StageProgress = lambda stage, done, total: None,
) -> Trial:
    """Write a smaller artifact to a new path, made by the first scheme whose candidate passes the gate.

    calibration: images whose activations set the ranges. held_out: images that judge; with classes by top-1, else by
    agreement with the parent. No image may be in both. against: the float32 artifact that the result must not be worse
    than, if that is not the source: a network with other activations stands in for the original. schemes: instead of
    `schemes_for` the network. target: the processor it is made for, by default this machine's. try_all: try every
    scheme, and write the best candidate that passes. allow_worse: if none passes, write the nearest miss, marked as
    worse. on_trial is called with each trial, on_warning with each warning about the images. Raises QualityGateError,
    with the figures of the nearest miss, if none passes; then nothing is written. DataError for images that cannot be
    used, and for a file to stand in for that has other labels or another preprocessing.
    """
    require_new_path(source, path)
    model = read_model(source)
    info = parse_info(model, name=os.fspath(source))
    target = target or this_machine()
    _check_source(model, info, os.fspath(source))
    parent = model if against is None else _original(against, info)
    _check_apart(calibration, held_out)
    with (
        _cached(calibration, info, stage="reading calibration images", progress=progress) as calibration_pixels,
        _cached(held_out, info, stage="reading held-out images", progress=progress) as held_out_pixels,
    ):
        for warning in (*check_calibration(calibration_pixels, info.preprocess), *_check_held_out(held_out_pixels)):
            on_warning(warning)
        counter = step_counter(progress, "predictions of the parent", len(held_out_pixels))
        evaluator = HeldOutEvaluator(parent, held_out_pixels, info=info, on_image=counter)
        parsed = onnx.load_from_string(model)
        builder = CandidateBuilder(parsed, calibration_pixels, target=target, progress=progress)
        trials: list[Trial] = []
        for scheme in schemes or schemes_for(parsed):
            candidate, child = builder.build(scheme), _child_info(info, model, scheme, calibration_pixels)
            counter = step_counter(progress, f"judging {scheme.name}", len(held_out_pixels))
            trials.append(_trial(scheme, evaluator.evaluate(candidate, child, on_image=counter), gate))
            on_trial(trials[-1])
            if trials[-1].passed and not try_all:
                break
        best = _best(trials)
        if not best.passed and not allow_worse:
            raise QualityGateError(_refusal(best, len(trials)))
        if best is not trials[-1]:  # built anew, to the same bytes: all of them would fill the memory
            candidate = builder.build(best.scheme)
        child = _with_evidence(_child_info(info, model, best.scheme, calibration_pixels), best, target, parent)
    write_info(candidate, child, Path(path))
    write_sidecar(path, {**best.result.costs(), "machine": machine()})
    return best


def schemes_for(model: ModelProto) -> list[Scheme]:
    """The schemes that are worth trying on this network, in order."""
    dense = dense_share(model) >= _DENSE
    return [scheme for scheme in SEARCH_ORDER if dense or scheme.storage != "dense-int8"]


def _check_source(model: bytes, info: ArtifactInfo, name: str) -> None:
    if info.precision != "float32":
        raise DataError(f"{name}: is {info.precision} already; quantize the float32 file")
    parsed = onnx.load_from_string(model)
    opset = max((o.version for o in parsed.opset_import if not o.domain), default=0)
    if opset < _LEAST_OPSET:
        raise ArtifactError(f"{name}: is of opset {opset}; quantizing needs {_LEAST_OPSET} or later, so export it anew")
    batch = parsed.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    if batch > 1:
        raise ArtifactError(f"{name}: takes {batch} images at a time; quantize a file with an open batch")


def _original(path: str | os.PathLike[str], info: ArtifactInfo) -> bytes:
    """The file that the source stands in for: it must have the same preprocessing and the same labels."""
    model = read_model(path)
    original = parse_info(model, name=os.fspath(path))
    for what in ("labels", "preprocess"):
        if getattr(original, what) != getattr(info, what):
            raise DataError(f"{os.fspath(path)}: differs in its {what} from the model that is to stand in for it")
    return model


def _check_apart(calibration: ImageSet, held_out: ImageSet) -> None:
    shared = set(calibration.names) & set(held_out.names)
    if shared:
        raise DataError(f"{len(shared)} images are to calibrate and to judge ({min(shared)}); keep them apart")


def _check_held_out(cache: PixelCache) -> list[str]:
    """Warnings about the held-out images, a line each. Raises DataError if there are none."""
    if not len(cache):
        reason = f"; the first: {cache.unreadable[0].reason}" if cache.unreadable else ""
        raise DataError(f"no held-out image to judge on{reason}")
    warnings = [f"{len(cache.unreadable)} held-out images cannot be read and are left out"] * bool(cache.unreadable)
    if len(cache) < _FEW_HELD_OUT:
        warnings.append(f"{len(cache)} held-out images judge coarsely: one of them is {100 / len(cache):.1f} points")
    return warnings


def _cached(images: ImageSet, info: ArtifactInfo, *, stage: str, progress: StageProgress) -> PixelCache:
    return PixelCache(images, info.preprocess, on_image=step_counter(progress, stage, len(images)))


def _trial(scheme: Scheme, result: HeldOutResult, gate: Gate) -> Trial:
    failures = gate_failures(result, gate)
    return Trial(
        scheme=scheme,
        result=result,
        failures=tuple(failure.message for failure in failures),
        excess=sum(failure.excess for failure in failures),
    )


def _best(trials: Sequence[Trial]) -> Trial:
    """The most faithful of the fastest that pass; the nearest miss if none does."""
    passed = [trial for trial in trials if trial.passed]
    if not passed:
        return min(trials, key=lambda trial: (math.isnan(trial.excess), trial.excess))
    fastest = max(trial.result.speedup for trial in passed)
    fast = [trial for trial in passed if trial.result.speedup >= _AS_FAST * fastest]
    return min(fast, key=lambda trial: (trial.result.drop or 0.0, trial.result.divergence))


def _refusal(trial: Trial, count: int) -> str:
    failures = " and ".join(trial.failures)
    if count == 1:
        return f"{trial.scheme.name} {failures}; nothing was written"
    return f"none of {count} schemes passes; the nearest miss, {trial.scheme.name}, {failures}; nothing was written"


def _child_info(info: ArtifactInfo, model: bytes, scheme: Scheme, images: PixelCache) -> ArtifactInfo:
    calibration = {"images": len(images), "sha256": images.sha256, "method": scheme.calibrator}
    return dataclasses.replace(
        info,
        precision=scheme.precision,
        parent_sha256=sha256(model),
        calibration=calibration if scheme.storage == "integers" else None,
    )


def _with_evidence(info: ArtifactInfo, trial: Trial, target: Target, parent: bytes) -> ArtifactInfo:
    """The metadata of the child's file, with what was measured and by which scheme."""
    evidence = trial.result.evidence() | {"recipe": trial.scheme.name}
    if sha256(parent) != info.parent_sha256:
        evidence["against_sha256"] = sha256(parent)
    if trial.scheme.storage == "integers":
        evidence["target"] = target.name
    if trial.failures:
        evidence["worse"] = "written in spite of the gate: it " + " and ".join(trial.failures)
    child = trial.result.child
    parity = {**info.parity, "quantize": evidence}
    return dataclasses.replace(info, parity=parity, metrics=None if child is None else child.to_dict())
