"""Temperature or thresholds of a quantized model: fitted to its own logits, which differ from the float model's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from edgekit.dataset import ImageSet
from edgekit.evaluate.accuracy import AnyAccuracy, figures_beside_fit, true_labels
from edgekit.evaluate.temperature import are_among
from edgekit.evaluate.thresholds import with_fitted_scoring
from edgekit.quantize.held_out_evaluation import ModelFile, cached_logits
from edgekit.quantize.pixel_cache import PixelCache


def with_scoring(
    model: ModelFile,
    fit: PixelCache,
    *,
    judged: ImageSet,
    accuracy: AnyAccuracy | None,
    on_warning: Callable[[str], None],
) -> ModelFile:
    """Fit a temperature, or thresholds, and measure what they change on the images that they were not fitted to.

    Args:
        model: the model, with its accuracy in the metadata.
        fit: the images of the fit.
        judged: the images that the model was judged on; those of the fit may be among them.
        accuracy: its predictions for them, without a temperature; None if they have no labels.
        on_warning: called with the reason if nothing is fitted.

    Returns:
        The model with the temperature and the calibration errors, or the thresholds and the F1 scores, in the
        metadata; unchanged if nothing is fitted.
    """
    logits, truth = cached_logits(model, fit), true_labels(fit.images, model.info)
    fitted = with_fitted_scoring(model.info, logits, truth, on_warning=on_warning)
    if accuracy is None or fitted is model.info:
        return model._replace(info=fitted)
    figures = figures_beside_fit(accuracy, fitted, ~are_among(judged, fit.images))
    return model._replace(info=dataclasses.replace(fitted, metrics={**(fitted.metrics or {}), **figures}))
