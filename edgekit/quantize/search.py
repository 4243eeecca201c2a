"""Searches for the quantization of a float32 model: tries schemes in order until one passes the quality gate."""

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

from edgekit.artifact.info import ArtifactInfo, parse_info, read_model, write_info
from edgekit.artifact.paths import require_new_path
from edgekit.artifact.sidecar import write_sidecar
from edgekit.dataset import ImageSet
from edgekit.errors import ArtifactError, DataError, QualityGateError, check_types
from edgekit.evaluate.accuracy import class_indexes
from edgekit.evaluate.temperature import require_fit_images, with_fitted_temperature
from edgekit.files import sha256
from edgekit.quantize.candidates import CandidateBuilder, StageProgress, step_counter
from edgekit.quantize.passes.store_dense_int8 import dense_share
from edgekit.quantize.pixel_cache import PixelCache, check_calibration
from edgekit.quantize.quality_gate import Gate, HeldOutEvaluator, HeldOutResult, cached_logits, gate_failures
from edgekit.quantize.schemes import SEARCH_ORDER, Scheme
from edgekit.quantize.targets import Target, this_machine
from edgekit.runtime.cpu import machine

_MIN_OPSET = 13  # the first in which DequantizeLinear accepts one scale per channel
# The scheme for fully connected layers is tried if they contain at least this fraction of the weights.
_MIN_DENSE_SHARE = 0.5
_FEW_HELD_OUT = 100
# Candidates that pass with at least this fraction of the best speedup count as equally fast; the most accurate wins.
_EQUAL_SPEED = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The outcome of trying one scheme.

    Attributes:
        scheme: the scheme.
        result: its candidate compared with the parent on the held-out images.
        failures: the limits of the gate that the candidate misses, as text; empty if it passes.
        excess: by how much it misses them in total, in percentage points of accuracy and percent of the speed.
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
        """The scheme, its figures and its failures, ready for JSON."""
        figures = self.result.evidence() | self.result.costs() | {"size_bytes": self.result.size_bytes}
        return {"recipe": self.scheme.name, **figures, "failures": list(self.failures)}


def quantize(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    calibration: ImageSet,
    held_out: ImageSet,
    temperature_images: ImageSet | None = None,
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
    """Quantize a float32 model and verify its accuracy and speed; if no scheme passes the gate, nothing is written.

    The figures of the written model are stored in its metadata, its timings in the JSON sidecar beside it.

    Args:
        source: float32 edgekit model.
        path: file to write; must not be `source`.
        calibration: images that the ranges of the activations are measured on; 100 are usually enough.
        held_out: images that candidates are compared with their parent on: by top-1 accuracy if they have labels, by
            agreement with the parent otherwise. No image may be in two of the sets.
        temperature_images: at least 100 labeled images to fit a temperature to, which calibrates the probabilities.
            None of them may have trained the network; `edgekit.evaluate.split_for_temperature` splits them off the
            held-out ones. Without them, the temperature of `source` is kept, if it has one.
        against: float32 model that the result is compared with, if not `source`. Use it when `source` replaces that
            model, e.g. with activations that are faster in int8. Must have the same labels and preprocessing.
        schemes: schemes to try, in order (default: `schemes_for` the network).
        target: processor to build for (default: this machine's).
        gate: limits that a candidate must keep to pass.
        try_all: try all schemes and write the best candidate that passes, rather than the first.
        allow_worse: if no candidate passes, write the closest one, marked as worse in its metadata.
        on_trial: called with the outcome of each scheme.
        on_warning: called with each warning about the images, such as that they do not determine the temperature.
        progress: called with a stage's name, its finished steps and its total steps.

    Returns:
        The trial whose candidate was written.

    Raises:
        QualityGateError: no candidate passes; the message has the figures of the closest one.
        ArtifactError: `source` is not an edgekit model, has a fixed batch size above 1, or an opset below 13.
        DataError: the images cannot be used, `source` is not float32, or `against` does not match it.
        SpecError: `path` would replace `source`.

    Example:
        >>> from edgekit import dataset
        >>> from edgekit.quantize import Gate, quantize
        >>> trial = quantize(
        ...     "model.onnx",
        ...     "model-int8.onnx",
        ...     calibration=dataset.read("photos", "train").sample(100, seed=0),
        ...     held_out=dataset.read("photos", "val"),
        ...     gate=Gate(max_drop=5, min_speedup=0.1),
        ... )
        >>> trial.passed, trial.result.drop <= 5
        (True, True)
    """
    check_types(str | os.PathLike, source=source, path=path)
    check_types(ImageSet, calibration=calibration, held_out=held_out)
    check_types(ImageSet | None, temperature_images=temperature_images)
    check_types(Gate, gate=gate)
    check_types(Target | None, target=target)
    require_new_path(source, path)
    model = read_model(source)
    info = parse_info(model, name=os.fspath(source))
    target = target or this_machine()
    _check_source(model, info, os.fspath(source))
    parent = model if against is None else _read_reference(against, info)
    require_fit_images(temperature_images, calibration=calibration, held_out=held_out)
    with (
        _cached(calibration, info, stage="reading calibration images", progress=progress) as calibration_pixels,
        _cached(held_out, info, stage="reading held-out images", progress=progress) as held_out_pixels,
    ):
        for warning in (*check_calibration(calibration_pixels, info.preprocess), *_check_held_out(held_out_pixels)):
            on_warning(warning)
        counter = step_counter(progress, "running the parent", len(held_out_pixels))
        evaluator = HeldOutEvaluator(parent, held_out_pixels, info=info, on_image=counter)
        parsed = onnx.load_from_string(model)
        builder = CandidateBuilder(parsed, calibration_pixels, target=target, progress=progress)
        trials: list[Trial] = []
        for scheme in schemes or schemes_for(parsed):
            candidate, child = builder.build(scheme), _child_info(info, model, scheme, calibration_pixels)
            counter = step_counter(progress, f"evaluating {scheme.name}", len(held_out_pixels))
            trials.append(_trial(scheme, evaluator.evaluate(candidate, child, on_image=counter), gate))
            on_trial(trials[-1])
            if trials[-1].passed and not try_all:
                break
        best = _best_trial(trials)
        if not best.passed and not allow_worse:
            raise QualityGateError(_gate_message(best, len(trials)))
        if best is not trials[-1]:  # rebuild it, which gives the same bytes: keeping all candidates would fill memory
            candidate = builder.build(best.scheme)
        child = _child_info(info, model, best.scheme, calibration_pixels)
    child = _with_temperature(child, candidate, temperature_images, on_warning=on_warning, progress=progress)
    write_info(candidate, _with_evidence(child, best, target, parent), Path(path))
    write_sidecar(path, {**best.result.costs(), "machine": machine()})
    return best


def schemes_for(model: ModelProto) -> list[Scheme]:
    """The schemes worth trying on this float network, in order."""
    is_dense = dense_share(model) >= _MIN_DENSE_SHARE
    return [scheme for scheme in SEARCH_ORDER if is_dense or scheme.storage != "dense-int8"]


def _check_source(model: bytes, info: ArtifactInfo, name: str) -> None:
    if info.precision != "float32":
        raise DataError(f"{name}: already {info.precision}; quantize the float32 model that it was made from")
    parsed = onnx.load_from_string(model)
    opset = max((o.version for o in parsed.opset_import if not o.domain), default=0)
    if opset < _MIN_OPSET:
        raise ArtifactError(
            f"{name}: quantization needs opset {_MIN_OPSET} or later (got {opset}); export the model with a newer opset"
        )
    batch = parsed.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    if batch > 1:
        raise ArtifactError(
            f"{name}: quantization needs a dynamic batch size (got {batch}); quantize the model before fixing its batch"
        )


def _read_reference(path: str | os.PathLike[str], info: ArtifactInfo) -> bytes:
    """The bytes of the model that the result is compared with."""
    model = read_model(path)
    reference = parse_info(model, name=os.fspath(path))
    for name, plural in (("labels", "labels"), ("preprocess", "preprocessing")):
        if getattr(reference, name) != getattr(info, name):
            raise DataError(f"{os.fspath(path)}: `against` must have the same {plural} as the model to quantize")
    return model


def _check_held_out(cache: PixelCache) -> list[str]:
    """Warnings about the held-out images, one line each. Raises DataError if none can be read."""
    if not len(cache):
        reason = f"; the first error: {cache.unreadable[0].reason}" if cache.unreadable else ""
        raise DataError(f"none of the {len(cache.unreadable)} held-out images can be read{reason}")
    warnings = [f"skipped {len(cache.unreadable)} unreadable held-out images"] * bool(cache.unreadable)
    if len(cache) < _FEW_HELD_OUT:
        warnings.append(
            f"only {len(cache)} held-out images, so one image changes the accuracy by {100 / len(cache):.1f} "
            f"percentage points; use at least {_FEW_HELD_OUT}"
        )
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


def _best_trial(trials: Sequence[Trial]) -> Trial:
    """The most accurate of the fastest trials that pass; the closest one if none passes."""
    passed = [trial for trial in trials if trial.passed]
    if not passed:
        return min(trials, key=lambda trial: (math.isnan(trial.excess), trial.excess))
    fastest = max(trial.result.speedup for trial in passed)
    fast = [trial for trial in passed if trial.result.speedup >= _EQUAL_SPEED * fastest]
    return min(fast, key=lambda trial: (trial.result.drop or 0.0, trial.result.divergence))


def _gate_message(trial: Trial, count: int) -> str:
    """Why nothing was written. trial: the closest of `count`."""
    failures = " and ".join(trial.failures)
    remedy = "nothing was written (to write it anyway, use `allow_worse`)"
    if count == 1:
        return f"scheme {trial.scheme.name} {failures}; {remedy}"
    return f"none of {count} schemes passes the quality gate; the closest, {trial.scheme.name}, {failures}; {remedy}"


def _child_info(info: ArtifactInfo, model: bytes, scheme: Scheme, images: PixelCache) -> ArtifactInfo:
    calibration = {"images": len(images), "sha256": images.sha256, "method": scheme.calibrator}
    return dataclasses.replace(
        info,
        precision=scheme.precision,
        parent_sha256=sha256(model),
        calibration=calibration if scheme.storage == "integers" else None,
    )


def _with_temperature(
    info: ArtifactInfo,
    candidate: bytes,
    images: ImageSet | None,
    *,
    on_warning: Callable[[str], None],
    progress: StageProgress,
) -> ArtifactInfo:
    """The metadata of the candidate with a temperature fitted to the images; unchanged if there are none."""
    if images is None:
        return info
    with _cached(images, info, stage="reading images for the temperature", progress=progress) as pixels:
        logits, truth = cached_logits(candidate, pixels, info=info), class_indexes(pixels.images, info.labels)
    return with_fitted_temperature(info, logits, truth, on_warning=on_warning)


def _with_evidence(info: ArtifactInfo, trial: Trial, target: Target, parent: bytes) -> ArtifactInfo:
    """The metadata of the candidate's file with the scheme and the measurements added."""
    evidence = trial.result.evidence() | {"recipe": trial.scheme.name}
    if sha256(parent) != info.parent_sha256:
        evidence["against_sha256"] = sha256(parent)
    if trial.scheme.storage == "integers":
        evidence["target"] = target.name
    if trial.failures:
        evidence["worse"] = "did not pass the quality gate: it " + " and ".join(trial.failures)
    child = trial.result.child
    if child is not None and info.temperature is not None:
        child = child.with_temperature(info.temperature)
    parity = {**info.parity, "quantize": evidence}
    return dataclasses.replace(info, parity=parity, metrics=None if child is None else child.to_dict())
