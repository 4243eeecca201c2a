"""Fitting the thresholds of a multi-label model, to images that do not measure the F1 scores at them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from edgekit.artifact.info import ArtifactInfo
from edgekit.evaluate.accuracy import Truth
from edgekit.evaluate.intervals import Flags
from edgekit.evaluate.multi_label import Probabilities
from edgekit.evaluate.temperature import MIN_IMAGES, with_fitted_temperature
from edgekit.preprocess.scores import Floats
from edgekit.preprocess.scoring import DEFAULT_THRESHOLD

_DIGITS = 4
_LOWEST, _HIGHEST = 0.0001, 0.9999


def with_fitted_scoring(
    info: ArtifactInfo, logits: Floats, truth: Truth, *, on_warning: Callable[[str], None]
) -> ArtifactInfo:
    """Fit what turns a model's logits into printed probabilities and labels, and record it in its metadata.

    Args:
        info: metadata of the model.
        logits: (N, classes) of the images of the fit.
        truth: their labels, from `true_labels`.
        on_warning: called with the reason if nothing is fitted.

    Returns:
        The metadata with a temperature, or of a multi-label model with thresholds; unchanged if nothing is fitted.
    """
    if info.task == "single-label":
        return with_fitted_temperature(info, logits, truth, on_warning=on_warning)
    if len(truth) < MIN_IMAGES:
        on_warning(f"no thresholds were fitted: only {len(truth)} images can be read, and it takes {MIN_IMAGES}")
        return info
    thresholds = fit_thresholds(truth, info.scoring.probabilities(logits))
    return dataclasses.replace(
        info, thresholds=thresholds, thresholds_fit={"images": len(truth), "maximizes": "F1 of each class"}
    )


def fit_thresholds(truth: Flags, probabilities: Probabilities) -> tuple[float, ...]:
    """The threshold of each class that gives the highest F1 score; 0.5 for a class without images.

    It lies in the middle between two probabilities, rounded to four digits; the highest of equally good ones is taken,
    which gives the fewest wrong labels.

    Args:
        truth: bool (N, classes).
        probabilities: float64 (N, classes).
    """
    return tuple(_fit(*columns) for columns in zip(truth.T, probabilities.T, strict=True))


def _fit(has_label: Flags, scores: Probabilities) -> float:
    if not has_label.any():
        return DEFAULT_THRESHOLD
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    hits, given = np.cumsum(has_label[order]), np.arange(1, len(order) + 1)
    next_scores = np.append(ordered[1:], 0.0)
    f1 = np.where(ordered > next_scores, 2 * hits / (given + has_label.sum()), -1.0)  # equal scores stay together
    best = int(f1.argmax())
    return float(np.clip(np.round((ordered[best] + next_scores[best]) / 2, _DIGITS), _LOWEST, _HIGHEST))
