"""Whether two models compute the same logits: the question that follows every conversion step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from edgekit.errors import ArtifactError, ParityError
from edgekit.image.source import Pixels
from edgekit.preprocess.scores import Floats, softmax
from edgekit.runtime.session import first_line, fixed_batch, open_session, run_batches

LogitsFunction: TypeAlias = Callable[[Pixels], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far a model's logits are from its parent's on the same pixels.

    logit_difference: largest absolute; relative_difference: the same over the parent's largest absolute logit.
    probability_difference: largest absolute. agreement: share of the images with the same best class.
    """

    images: int
    logit_difference: float
    relative_difference: float
    probability_difference: float
    agreement: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, rounded up to two digits: the last bits depend on the machine, not on the model."""
        return {
            "images": self.images,
            "logit_difference": rounded_up(self.logit_difference),
            "relative_difference": rounded_up(self.relative_difference),
            "probability_difference": rounded_up(self.probability_difference),
            "agreement": self.agreement,
        }


def onnx_logits(model: bytes, *, name: str, ort_format: bool = False) -> LogitsFunction:
    """The function that a model file called `name` computes: (N, H, W, C) -> (N, classes).

    One image at a time, or a fixed batch of the file's at a time. ort_format: in onnxruntime's own, just written here.
    """
    session = open_session(model, name=name, ort_format=ort_format)
    batch = fixed_batch(session) or 1

    def logits(pixels: Pixels) -> Floats:
        batches = [pixels[start : start + batch] for start in range(0, len(pixels), batch)]
        try:
            return np.concatenate([run_batches(session, part) for part in batches])
        except Exception as error:  # onnxruntime raises classes of its own that are not public
            raise ArtifactError(f"{name}: onnxruntime cannot run it: {first_line(error)}") from None

    return logits


def measure_parity(parent: LogitsFunction, child: LogitsFunction, pixels: Pixels) -> Parity:
    """Compare the logits of both on the same uint8 pixels (N, height, width, channels)."""
    return compare_logits(parent(pixels), child(pixels))


def compare_logits(parent: Floats, child: Floats) -> Parity:
    """Compare both logits (N, classes) of the same images. Raises ArtifactError if they differ in shape."""
    if parent.shape != child.shape:
        raise ArtifactError(f"a model answers {child.shape} where its parent answers {parent.shape}")
    ours, theirs = child.astype(np.float64), parent.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinite logits are as wrong as NaN
        difference, largest = float(np.abs(ours - theirs).max()), float(np.abs(theirs).max())
        probability_difference = float(np.abs(softmax(ours) - softmax(theirs)).max())
    return Parity(
        images=len(ours),
        logit_difference=difference,
        relative_difference=difference / max(largest, float(np.finfo(np.float32).tiny)),
        probability_difference=probability_difference,
        agreement=float((ours.argmax(1) == theirs.argmax(1)).mean()),
    )


def divergence(expected: Floats, logits: Floats) -> float:
    """Mean KL divergence over the images, in nats, of the probabilities that belong to these logits (N, classes)."""
    probabilities = softmax(expected)
    tiny = np.finfo(np.float64).tiny
    terms = probabilities * (np.log(np.maximum(probabilities, tiny)) - _log_softmax(logits))
    return float(np.maximum(terms.sum(axis=1), 0.0).mean())  # rounding can bring equal logits below 0


def _log_softmax(logits: Floats) -> Floats:
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def require_parity(parity: Parity, *, step: str, tolerance: float) -> None:
    """Raises ParityError if the relative difference exceeds the tolerance, or is not a number."""
    if not parity.relative_difference <= tolerance:
        raise ParityError(
            f"{step} changed the answers: the logits differ by {parity.logit_difference:.2g}, "
            f"{parity.relative_difference:.2g} of the largest, on {parity.images} images "
            f"(allowed {tolerance:.2g}); nothing was written",
            measured=parity.relative_difference,
            tolerance=tolerance,
        )


def rounded_up(value: float) -> float:
    """Two digits, rounded up: the last bits of a figure depend on the machine, not on the model."""
    if value == 0 or not math.isfinite(value):
        return value
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / unit) * unit:.3g}")
