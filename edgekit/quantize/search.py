"""Searches for the quantization of a model: tries schemes in order until one passes the quality gate."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from onnx import ModelProto

from edgekit.artifact.info import ArtifactInfo, parse_info, read_model, write_info
from edgekit.artifact.paths import require_new_path
from edgekit.artifact.sidecar import require_own_document, sidecar_path, write_sidecar
from edgekit.dataset import ImageSet
from edgekit.errors import DataError, QualityGateError, check_types
from edgekit.evaluate.temperature import require_disjoint, require_fit_images
from edgekit.files import sha256
from edgekit.graph.passes.name_nodes import name_nodes
from edgekit.quantize.candidates import CandidateBuilder, depthwise_layers
from edgekit.quantize.float_source import FloatSource, read_float_source
from edgekit.quantize.held_out_evaluation import HeldOutEvaluator, ModelFile
from edgekit.quantize.passes.store_dense_int8 import dense_share
from edgekit.quantize.pixel_cache import PixelCache, check_calibration
from edgekit.quantize.quality_gate import Gate
from edgekit.quantize.schemes import INT8_WEIGHTS, SEARCH_ORDER, UNCHANGED, Scheme
from edgekit.quantize.temperature import with_scoring
from edgekit.quantize.trials import Trial, best_trial, is_worth_trying, judged_trial, refusal
from edgekit.runtime.cpu import machine
from edgekit.runtime.targets import TARGETS, Target, is_measured_here, this_machine
from edgekit.stages import StageProgress, step_counter

# The scheme for fully connected layers is tried if they contain at least this fraction of the weights.
_MIN_DENSE_SHARE = 0.5
_CONVERSION_IMAGES = 16


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
    """Quantize a model and verify its accuracy, and its speed if it is for this machine.

    If no scheme passes the gate, nothing is written. Schemes are tried until one is proven (see `Gate`). If the first
    that passes is unproven, others with the same arithmetic are tried if the images could prove them; if none is
    proven, that first one is written, and its metadata state that it is unproven. The figures of the written model are
    stored in its metadata, its timings in the JSON sidecar beside it.

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
        schemes: schemes to try, in order (default: `schemes_for` the network and the target).
        target: processor to build for (default: this machine's). The speed of models for another one is not measured.
        gate: limits that a candidate must keep to pass.
        try_all: try all schemes and write the best candidate that passes (a proven one, if one with the arithmetic of
            the fastest is), rather than the first.
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
        SpecError: `path` would replace `source`, or its sidecar a JSON file that edgekit did not write.

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
    require_own_document(sidecar_path(path))
    original, target = read_float_source(source), target or this_machine()
    schemes, parent = _schemes(original, schemes, against, target), _parent(original, against)
    require_fit_images(temperature_images, calibration=calibration)
    require_disjoint(calibration=calibration, held_out=held_out)
    with (
        _cached(calibration, original.info, stage="reading calibration images", progress=progress) as ranging,
        _cached(held_out, original.info, stage="reading held-out images", progress=progress) as judging,
    ):
        for warning in (*check_calibration(ranging, original.info.preprocess), *_check_held_out(judging)):
            on_warning(warning)
        original = original.with_measured_conversion(judging.first(_CONVERSION_IMAGES))
        candidates = _Candidates(original, ranging, target=target, progress=progress)
        for note in (*original.notes(), *candidates.notes()):
            on_note(note)
        evaluator = HeldOutEvaluator(parent, judging, is_timed=candidates.are_timed, progress=progress)
        trials: list[Trial] = []
        for scheme in schemes:
            if try_all or is_worth_trying(scheme, trials):
                result = evaluator.evaluate(candidates.build(scheme), scheme.name)
                trials.append(judged_trial(scheme, result, gate, tried=len(trials) + 1))
                on_trial(trials[-1])
        best = best_trial(trials, try_all=try_all)
        if not best.passed and not allow_worse:
            raise QualityGateError(refusal(best, count=len(trials)))
        written = _with_evidence(candidates.build(best.scheme), best, None if against is None else sha256(parent.data))
    if temperature_images is not None:
        with _cached(temperature_images, written.info, stage="reading images of the fit", progress=progress) as fit:
            written = with_scoring(
                written, fit, judged=judging.images, accuracy=best.result.child, on_warning=on_warning
            )
    write_info(written.data, written.info, Path(path))
    write_sidecar(path, {**best.result.costs(), "machine": machine()})
    return best


class _Candidates:
    """The candidates of one source for one target.

    Attributes:
        are_timed: whether their speed can be measured on this machine.
    """

    def __init__(self, source: FloatSource, images: PixelCache, *, target: Target, progress: StageProgress) -> None:
        self._source, self._images, self._target = source, images, target
        self._builder = CandidateBuilder(
            source.model, images, target=target, scoring=source.info.scoring, progress=progress
        )
        self._last: tuple[Scheme, ModelFile] | None = None
        own = None if source.layers.float32 else source.info.target  # nothing changes what it was made for
        self.are_timed = is_measured_here(TARGETS.get(own or "", target))

    def build(self, scheme: Scheme) -> ModelFile:
        """The candidate of a scheme. Only the last one is kept, because all of them would fill memory."""
        if self._last is None or self._last[0] is not scheme:
            data, info = self._builder.build(scheme), self._info(scheme)
            self._last = scheme, ModelFile(data, info, f"{self._source.name} as {scheme.name}")
        return self._last[1]

    def notes(self) -> list[str]:
        """What is not measured, and why."""
        if self.are_timed:
            return []
        machines = f"the model is for {self._target.name}, this machine is {this_machine().name}"
        return [f"speed is not measured here, and `min_speedup` not checked: {machines}"]

    def _info(self, scheme: Scheme) -> ArtifactInfo:
        """The metadata of the candidate's file, without what will be measured."""
        source, parity = self._source, dict(self._source.info.parity)
        if scheme.storage == "integers" or self._target.float_depthwise:
            parity["quantize"] = {"target": self._target.name}
        calibration = {"images": len(self._images), "sha256": self._images.sha256, "method": scheme.calibrator}
        return dataclasses.replace(
            source.info,
            precision="int8" if source.layers.integer else scheme.precision,
            parent_sha256=sha256(source.data),
            calibration=calibration if scheme.storage == "integers" else source.info.calibration,
            parity=parity,
        )


def schemes_for(model: ModelProto, target: Target) -> list[Scheme]:
    """The schemes worth trying on this float network, in order."""
    is_dense = dense_share(model) >= _MIN_DENSE_SHARE
    schemes = [scheme for scheme in SEARCH_ORDER if is_dense or scheme.storage != "dense-int8"]
    if target.float_depthwise:
        # Integers gain little in a network of depthwise layers; in others they gain most, and float16 least.
        schemes.insert(0 if depthwise_layers(name_nodes(model)) else -1, INT8_WEIGHTS)
    return schemes


def _schemes(
    source: FloatSource, requested: Sequence[Scheme] | None, against: object, target: Target
) -> Sequence[Scheme]:
    """The schemes to try."""
    if source.layers.float32 or not source.layers.integer:
        return requested or schemes_for(source.model, target)
    if requested or against is None:
        raise DataError(
            f"{source.name}: nothing to quantize: all {source.layers.integer} layers are int8 already; to compare it "
            f"with the float32 model that it was made from, set `against` to that model and leave out `schemes`"
        )
    return [UNCHANGED]


def _parent(source: FloatSource, against: str | os.PathLike[str] | None) -> ModelFile:
    """The model that the result is compared with."""
    if against is None:
        return ModelFile(source.float32, source.info, source.name)
    name, model = os.fspath(against), read_model(against)
    info = parse_info(model, name=name)
    for attribute, plural in (("labels", "labels"), ("preprocess", "preprocessing"), ("task", "task")):
        if getattr(info, attribute) != getattr(source.info, attribute):
            raise DataError(f"{name}: `against` must have the same {plural} as the model to quantize")
    return ModelFile(model, info, name)


def _check_held_out(cache: PixelCache) -> list[str]:
    """Warnings about the held-out images, one line each. Raises DataError if none can be read."""
    if not len(cache):
        reason = f"; the first error: {cache.unreadable[0].reason}" if cache.unreadable else ""
        raise DataError(f"none of the {len(cache.unreadable)} held-out images can be read{reason}")
    return [f"skipped {len(cache.unreadable)} unreadable held-out images"] * bool(cache.unreadable)


def _cached(images: ImageSet, info: ArtifactInfo, *, stage: str, progress: StageProgress) -> PixelCache:
    return PixelCache(images, info.preprocess, on_image=step_counter(progress, stage, len(images)))


def _with_evidence(model: ModelFile, trial: Trial, against: str | None) -> ModelFile:
    """The candidate with the scheme and the measurements in its metadata. against: sha256 of that file."""
    evidence = trial.evidence()
    if against is not None:
        evidence["against_sha256"] = against
    if model.info.target is not None:
        evidence["target"] = model.info.target
    if trial.failures:
        evidence["worse"] = "did not pass the quality gate: it " + " and ".join(trial.failures)
    accuracy, parity = trial.result.child, {**model.info.parity, "quantize": evidence}
    metrics = None if accuracy is None else accuracy.to_dict()
    return model._replace(info=dataclasses.replace(model.info, parity=parity, metrics=metrics))
