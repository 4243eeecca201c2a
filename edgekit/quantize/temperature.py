"""Temperature or thresholds of a quantized model: fitted to its own logits, which differ from the float model's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from edgekit.artifact.info import ArtifactInfo
from edgekit.dataset import ImageSet
from edgekit.evaluate.accuracy import AnyAccuracy, figures_beside_fit, true_labels
from edgekit.evaluate.temperature import are_among
from edgekit.evaluate.thresholds import with_fitted_scoring
from edgekit.quantize.pixel_cache import PixelCache
from edgekit.quantize.quality_gate import cached_logits


def with_scoring(
    info: ArtifactInfo,
    candidate: bytes,
    fit: PixelCache,
    *,
    judged: ImageSet,
    accuracy: AnyAccuracy | None,
    on_warning: Callable[[str], None],
) -> ArtifactInfo:
    """Fit a temperature, or thresholds, and measure what they change on the images that they were not fitted to.

    Args:
        info: metadata of the model, with its accuracy.
        candidate: bytes of the model.
        fit: the images of the fit.
        judged: the images that the model was judged on; those of the fit may be among them.
        accuracy: its predictions for them, without a temperature; None if they have no labels.
        on_warning: called with the reason if nothing is fitted.

    Returns:
        The metadata with the temperature and the calibration errors, or the thresholds and the F1 scores; unchanged if
        nothing is fitted.
    """
    logits, truth = cached_logits(candidate, fit, info=info), true_labels(fit.images, info)
    fitted = with_fitted_scoring(info, logits, truth, on_warning=on_warning)
    if accuracy is None or fitted is info:
        return fitted
    figures = figures_beside_fit(accuracy, fitted, ~are_among(judged, fit.images))
    return dataclasses.replace(fitted, metrics={**(fitted.metrics or {}), **figures})
