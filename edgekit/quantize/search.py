"""Searches for the quantization of a model: tries schemes in order until one passes the quality gate."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx import ModelProto

from edgekit.artifact.info import ArtifactInfo, parse_info, read_model, write_info
from edgekit.artifact.paths import require_new_path
from edgekit.artifact.sidecar import write_sidecar
from edgekit.dataset import ImageSet
from edgekit.errors import DataError, QualityGateError, check_types
from edgekit.evaluate.temperature import require_disjoint, require_fit_images
from edgekit.files import sha256
from edgekit.quantize.candidates import CandidateBuilder, StageProgress, step_counter
from edgekit.quantize.float_source import FloatSource, read_float_source
from edgekit.quantize.passes.store_dense_int8 import dense_share
from edgekit.quantize.pixel_cache import PixelCache, check_calibration
from edgekit.quantize.quality_gate import Gate, HeldOutEvaluator, HeldOutResult, gate_failures
from edgekit.quantize.schemes import SEARCH_ORDER, UNCHANGED, Scheme
from edgekit.quantize.targets import Target, this_machine
from edgekit.quantize.temperature import with_scoring
from edgekit.runtime.cpu import machine

# The scheme for fully connected layers is tried if they contain at least this fraction of the weights.
_MIN_DENSE_SHARE = 0.5
_FEW_HELD_OUT = 100
_CONVERSION_IMAGES = 16
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
    on_note: Callable[[str], None] = lambda note: None,
    on_warning: Callable[[str], None] = lambda warning: None,
    progress: StageProgress = lambda stage, done, total: None,
) -> Trial:
    """Quantize a model and verify its accuracy and speed; if no scheme passes the gate, nothing is written.

    The figures of the written model are stored in its metadata, its timings in the JSON sidecar beside it.

    A float16 model is converted to float32 first. Of a model with layers in int8, the others are quantized. One that is
    int8 throughout can only be compared with the model that it was made from: name that as `against`.

    Args:
        source: edgekit model, usually float32.
        path: file to write; must not be `source`.
        calibration: images that the ranges of the activations are measured on; 100 are usually enough.
        held_out: images that candidates are compared with their parent on: by top-1 accuracy (multi-label: mAP) if
            they have labels, by agreement with the parent otherwise. None of them may be in `calibration`.
        temperature_images: at least 100 labeled images to fit a temperature to, which calibrates the probabilities, or
            the thresholds of a multi-label model. None of them may have trained the network. They may be among the
            held-out ones, from which `edgekit.evaluate.images_for_temperature` draws them: the calibration error, or
            the F1 score, is measured on the others.
            Without them, the temperature of `source` is kept, if it has one.
        against: float32 model that the result is compared with, if not `source`. Use it when `source` replaces that
            model, e.g. with activations that are faster in int8. Must have the same labels, preprocessing and task.
        schemes: schemes to try, in order (default: `schemes_for` the network).
        target: processor to build for (default: this machine's).
        gate: limits that a candidate must keep to pass.
        try_all: try all schemes and write the best candidate that passes, rather than the first.
        allow_worse: if no candidate passes, write the closest one, marked as worse in its metadata.
        on_trial: called with the outcome of each scheme.
        on_note: called with a line for each step that does not apply to `source`, or that it needs in addition.
        on_warning: called with each warning about the images, such as that they do not determine the temperature.
        progress: called with a stage's name, its finished steps and its total steps.

    Returns:
        The trial whose candidate was written.

    Raises:
        QualityGateError: no candidate passes; the message has the figures of the closest one.
        ArtifactError: `source` is not an edgekit model, has a fixed batch size above 1, or an opset below 13.
        DataError: the images cannot be used, `source` has nothing to quantize, or `against` does not match it.
        ParityError: `source` cannot be converted to float32.
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
    original = read_float_source(source)
    info, target, schemes = original.info, target or this_machine(), _schemes(original, schemes, against)
    parent = original.float32 if against is None else _read_reference(against, info)
    require_fit_images(temperature_images, calibration=calibration)
    require_disjoint(calibration=calibration, held_out=held_out)
    with (
        _cached(calibration, info, stage="reading calibration images", progress=progress) as calibration_pixels,
        _cached(held_out, info, stage="reading held-out images", progress=progress) as held_out_pixels,
    ):
        for warning in (*check_calibration(calibration_pixels, info.preprocess), *_check_held_out(held_out_pixels)):
            on_warning(warning)
        original = original.with_measured_conversion(held_out_pixels.first(_CONVERSION_IMAGES))
        for note in original.notes():
            on_note(note)
        counter = step_counter(progress, "running the parent", len(held_out_pixels))
        evaluator = HeldOutEvaluator(parent, held_out_pixels, info=info, on_image=counter)
        builder = CandidateBuilder(
            original.model, calibration_pixels, target=target, scoring=info.scoring, progress=progress
        )
        trials: list[Trial] = []
        for scheme in schemes:
            candidate, child = builder.build(scheme), _child_info(original, scheme, calibration_pixels)
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
        child = _child_info(original, best.scheme, calibration_pixels)
    child = _with_evidence(child, best, target, None if against is None else sha256(parent))
    if temperature_images is not None:
        with _cached(temperature_images, info, stage="reading images of the fit", progress=progress) as fit:
            judged, accuracy = held_out_pixels.images, best.result.child
            child = with_scoring(child, candidate, fit, judged=judged, accuracy=accuracy, on_warning=on_warning)
    write_info(candidate, child, Path(path))
    write_sidecar(path, {**best.result.costs(), "machine": machine()})
    return best


def schemes_for(model: ModelProto) -> list[Scheme]:
    """The schemes worth trying on this float network, in order."""
    is_dense = dense_share(model) >= _MIN_DENSE_SHARE
    return [scheme for scheme in SEARCH_ORDER if is_dense or scheme.storage != "dense-int8"]


def _schemes(source: FloatSource, requested: Sequence[Scheme] | None, against: object) -> Sequence[Scheme]:
    """The schemes to try."""
    if source.layers.float32 or not source.layers.integer:
        return requested or schemes_for(source.model)
    if requested or against is None:
        raise DataError(
            f"{source.name}: nothing to quantize: all {source.layers.integer} layers are int8 already; to compare it "
            f"with the float32 model that it was made from, set `against` to that model and leave out `schemes`"
        )
    return [UNCHANGED]


def _read_reference(path: str | os.PathLike[str], info: ArtifactInfo) -> bytes:
    """The bytes of the model that the result is compared with."""
    model = read_model(path)
    reference = parse_info(model, name=os.fspath(path))
    for name, plural in (("labels", "labels"), ("preprocess", "preprocessing"), ("task", "task")):
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
        subject = "the model" if trial.scheme is UNCHANGED else f"scheme {trial.scheme.name}"
        return f"{subject} {failures}; {remedy}"
    return f"none of {count} schemes passes the quality gate; the closest, {trial.scheme.name}, {failures}; {remedy}"


def _child_info(source: FloatSource, scheme: Scheme, images: PixelCache) -> ArtifactInfo:
    calibration = {"images": len(images), "sha256": images.sha256, "method": scheme.calibrator}
    return dataclasses.replace(
        source.info,
        precision="int8" if source.layers.integer else scheme.precision,
        parent_sha256=sha256(source.data),
        calibration=calibration if scheme.storage == "integers" else source.info.calibration,
    )


def _with_evidence(info: ArtifactInfo, trial: Trial, target: Target, against: str | None) -> ArtifactInfo:
    """The metadata of the candidate's file with the scheme and the measurements added. against: sha256 of that file."""
    evidence = trial.result.evidence() | {"recipe": trial.scheme.name}
    if against is not None:
        evidence["against_sha256"] = against
    built_for = target.name if trial.scheme.storage == "integers" else info.target
    if built_for is not None:
        evidence["target"] = built_for
    if trial.failures:
        evidence["worse"] = "did not pass the quality gate: it " + " and ".join(trial.failures)
    accuracy, parity = trial.result.child, {**info.parity, "quantize": evidence}
    return dataclasses.replace(info, parity=parity, metrics=None if accuracy is None else accuracy.to_dict())
