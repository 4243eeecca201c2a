"""Numerical parity: whether two models compute the same logits, checked after every conversion step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from edgekit.errors import ArtifactError, ParityError
from edgekit.image.source import Pixels
from edgekit.preprocess.scores import Floats, softmax
from edgekit.preprocess.scoring import SINGLE_LABEL, Scoring
from edgekit.runtime.session import first_line, fixed_batch, open_session, run_batches

LogitsFunction: TypeAlias = Callable[[Pixels], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far a model's logits are from its parent's on the same pixels.

    Attributes:
        images: number of images.
        logit_difference: largest absolute difference of a logit.
        relative_difference: `logit_difference` divided by the parent's largest absolute logit.
        probability_difference: largest absolute difference of a probability.
        agreement: share of the images for which both predict the same class, or the same set of labels, 0 to 1.
    """

    images: int
    logit_difference: float
    relative_difference: float
    probability_difference: float
    agreement: float

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON-ready values; differences are rounded up to two digits, as by `rounded_up`."""
        return {
            "images": self.images,
            "logit_difference": rounded_up(self.logit_difference),
            "relative_difference": rounded_up(self.relative_difference),
            "probability_difference": rounded_up(self.probability_difference),
            "agreement": self.agreement,
        }


def onnx_logits(
    model: bytes | Path,
    *,
    name: str,
    ort_format: bool = False,
    prepacking: bool = True,
    target: str | None = None,
) -> LogitsFunction:
    """The function that a model file computes.

    Images run one at a time, or in batches of the model's fixed batch size.

    Args:
        model: bytes of the model file, or its path, which needs less memory.
        name: name of the file, for error messages.
        ort_format: the file is in onnxruntime's own format, written by edgekit a moment ago.
        prepacking: whether weights are rearranged for speed, which needs memory.
        target: as of `open_session`.

    Returns:
        A function from uint8 (N, height, width, channels) pixels to (N, classes) logits. It raises ArtifactError if
        onnxruntime cannot run the model.

    Raises:
        ArtifactError: onnxruntime cannot load the model.
    """
    session = open_session(model, name=name, ort_format=ort_format, prepacking=prepacking, target=target)
    batch = fixed_batch(session) or 1

    def logits(pixels: Pixels) -> Floats:
        batches = [pixels[start : start + batch] for start in range(0, len(pixels), batch)]
        try:
            return np.concatenate([run_batches(session, part) for part in batches])
        except Exception as error:  # onnxruntime's exception classes are not public
            raise ArtifactError(f"{name}: onnxruntime cannot run this model: {first_line(error)}") from None

    return logits


def measure_parity(
    parent: LogitsFunction, child: LogitsFunction, pixels: Pixels, *, scoring: Scoring = SINGLE_LABEL
) -> Parity:
    """Compare the logits of two models on the same pixels.

    Args:
        parent: computes the logits of the original model.
        child: computes the logits of the converted model.
        pixels: uint8 (N, height, width, channels).
        scoring: how both turn logits into labels.

    Raises:
        ArtifactError: their outputs have different shapes.
    """
    return compare_logits(parent(pixels), child(pixels), scoring=scoring)


def compare_logits(parent: Floats, child: Floats, *, scoring: Scoring = SINGLE_LABEL) -> Parity:
    """Compare two sets of logits of the same images.

    Args:
        parent: (N, classes) logits of the original model.
        child: (N, classes) logits of the converted model.
        scoring: how both turn logits into labels.

    Raises:
        ArtifactError: their shapes differ.
    """
    if parent.shape != child.shape:
        raise ArtifactError(f"the converted model's output has shape {child.shape}, its parent's {parent.shape}")
    ours, theirs = child.astype(np.float64), parent.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinite logits are as wrong as NaN
        difference, largest = float(np.abs(ours - theirs).max()), float(np.abs(theirs).max())
        probabilities = [scoring.probabilities(logits) for logits in (ours, theirs)]
        values = probabilities if scoring.is_multi_label else [ours, theirs]  # nothing is rounded in logits
        same_labels = scoring.assigned(values[0]) == scoring.assigned(values[1])
    return Parity(
        images=len(ours),
        logit_difference=difference,
        relative_difference=difference / max(largest, float(np.finfo(np.float32).tiny)),
        probability_difference=float(np.abs(probabilities[0] - probabilities[1]).max()),
        agreement=float(same_labels.all(axis=1).mean()),
    )


def divergence(expected: Floats, logits: Floats, *, scoring: Scoring = SINGLE_LABEL) -> float:
    """The mean Kullback-Leibler divergence of predicted probabilities over the images, in nats.

    For multi-label, that of an image is the sum over its classes, because they are predicted independently.

    Args:
        expected: (N, classes) reference logits.
        logits: (N, classes) logits to compare with them.
        scoring: how both turn logits into probabilities.
    """
    if scoring.is_multi_label:  # a class is a choice between its logit and 0
        expected, logits = (np.stack([values, np.zeros_like(values)], axis=-1) for values in (expected, logits))
    probabilities = softmax(expected)
    tiny = np.finfo(np.float64).tiny
    terms = probabilities * (np.log(np.maximum(probabilities, tiny)) - _log_softmax(logits))
    sums = terms.reshape(len(terms), -1).sum(axis=1)
    return float(np.maximum(sums, 0.0).mean())  # equal logits may give a value below 0 by rounding


def _log_softmax(logits: Floats) -> Floats:
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def require_parity(parity: Parity, *, step: str, tolerance: float) -> None:
    """Check that a conversion step left the logits unchanged.

    Args:
        parity: how far the logits differ.
        step: name of the step, for the message.
        tolerance: largest relative difference.

    Raises:
        ParityError: the relative difference exceeds the tolerance, or is not a number.
    """
    if not parity.relative_difference <= tolerance:
        raise ParityError(
            f"{step} changed the outputs: logits differ by up to {parity.logit_difference:.2g}, "
            f"{parity.relative_difference:.2g} relative to the largest logit (allowed: {tolerance:.2g}), on "
            f"{parity.images} images; nothing was written",
            measured=parity.relative_difference,
            tolerance=tolerance,
        )


def rounded_up(value: float) -> float:
    """Round up to two digits, because the last bits of a figure depend on the machine, not on the model."""
    if value == 0 or not math.isfinite(value):
        return value
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / unit) * unit:.3g}")
