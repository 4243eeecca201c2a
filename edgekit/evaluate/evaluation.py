"""The metrics of an evaluation: of each model, and of each further model compared with the first."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.dataset import ImageSet, Unreadable
from edgekit.errors import SpecError, check_types
from edgekit.evaluate.accuracy import Accuracy
from edgekit.evaluate.calibration import Calibration, calibration, expected_calibration_error
from edgekit.evaluate.confusion import ClassMetrics, Counts, class_metrics, confusion_matrix, macro_f1
from edgekit.evaluate.intervals import Interval, PairedTest, paired_test, wilson_interval
from edgekit.evaluate.predictions import EvaluatedModel, Predictions

_SCHEMA = 2
_MAX_MISTAKES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A misclassified image.

    Attributes:
        image: index of the image in the image set.
        truth: index of the true class among the model's labels.
        predicted: index of the predicted class.
        probability: probability of the predicted class, 0 to 1.
        truth_probability: probability of the true class, 0 to 1.
    """

    image: int
    truth: int
    predicted: int
    probability: float
    truth_probability: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelMetrics:
    """The metrics of one model.

    Attributes:
        model: the model.
        accuracy: its predictions.
        top1: top-1 accuracy, 0 to 1, with its 95% interval.
        top5: top-5 accuracy, 0 to 1, with its 95% interval.
        confusion: int64 (classes, classes); a row for each true class, a column for each predicted one.
        classes: precision, recall and F1 score of every class, in the order of the labels.
        macro_f1: mean F1 score of the classes that have images.
        calibration: how well the model's confidence matches its accuracy.
        uncalibrated_ece: expected calibration error without the model's temperature, 0 to 1; None if it has none, or if
            it was not applied.
        mistakes: misclassified images, at most 24, the most confident first.
    """

    model: EvaluatedModel
    accuracy: Accuracy
    top1: Interval
    top5: Interval
    confusion: Counts
    classes: tuple[ClassMetrics, ...]
    macro_f1: float
    calibration: Calibration
    uncalibrated_ece: float | None
    mistakes: tuple[Mistake, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's labels."""
        return self.model.classifier.info.labels

    @property
    def temperature(self) -> float | None:
        """The temperature of the model's file; None if it has none, or if it was not applied."""
        return None if self.uncalibrated_ece is None else self.model.classifier.info.temperature

    @property
    def recorded_top1(self) -> float | None:
        """The top-1 accuracy recorded in the file, if it is comparable (as many images, one crop); otherwise None."""
        recorded = self.model.classifier.info.metrics or {}
        comparable = recorded.get("images") == len(self.accuracy.truth) and self.model.crops == "center"
        top1 = recorded.get("top1") if comparable else None
        return float(top1) if isinstance(top1, int | float) else None

    def predicted_labels(self) -> list[str]:
        """The predicted label of each image."""
        return [self.labels[index] for index in self.accuracy.predicted().tolist()]

    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each image was predicted correctly: bool (N,)."""
        return self.accuracy.correct()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """A model compared with the first one on the same images.

    Attributes:
        first: metrics of the first model.
        second: metrics of the other model.
        paired: which of them is better, by McNemar's exact test.
        flipped: indexes of the images for which they predict different labels.
    """

    first: ModelMetrics
    second: ModelMetrics
    paired: PairedTest
    flipped: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        data: name of the data, for reports.
        images: the images that every model could read.
        unreadable: names of the others, each with the reason.
        models: metrics of each model.
        comparisons: each further model compared with the first.
    """

    data: str
    images: ImageSet
    unreadable: tuple[Unreadable, ...]
    models: tuple[ModelMetrics, ...]
    comparisons: tuple[Comparison, ...]

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON-ready values: the document that `edgekit evaluate --json` prints."""
        names = self.images.names
        return {
            "schema": _SCHEMA,
            "data": self.data,
            "images": len(self.images),
            "failed": [{"name": name, "error": reason} for name, reason in self.unreadable],
            "models": [_metrics_dict(metrics, names) for metrics in self.models],
            "comparisons": [_comparison_dict(comparison, names) for comparison in self.comparisons],
        }


def evaluate(predictions: Predictions, *, data: str | os.PathLike[str]) -> Evaluation:
    """Compute all metrics from the predictions of one or more models.

    Args:
        predictions: predictions from `predict_all`.
        data: name of the data, for reports.

    Raises:
        SpecError: `predictions` are not those of `predict_all` for single-label models.

    Example:
        >>> from edgekit import Classifier, dataset
        >>> from edgekit.evaluate import EvaluatedModel, evaluate, predict_all
        >>> from pathlib import Path
        >>> path = Path("model.onnx")
        >>> model = EvaluatedModel("model", path, Classifier(path))
        >>> predictions = predict_all([model], dataset.read("photos", "val"))
        >>> evaluation = evaluate(predictions, data="photos")
        >>> evaluation.models[0].top1
        Interval(value=..., low=..., high=...)
    """
    check_types(Predictions, predictions=predictions)
    check_types(str | os.PathLike, data=data)
    accuracies = [accuracy for accuracy in predictions.accuracies if isinstance(accuracy, Accuracy)]
    if len(accuracies) < len(predictions.accuracies):
        raise SpecError("`predictions` are multi-label; use edgekit.evaluate.evaluate_multi_label")
    models = tuple(_metrics(*pair) for pair in zip(predictions.models, accuracies, strict=True))
    return Evaluation(
        data=os.fspath(data),
        images=predictions.images,
        unreadable=predictions.unreadable,
        models=models,
        comparisons=tuple(_compare(models[0], other) for other in models[1:]),
    )


def _metrics(model: EvaluatedModel, accuracy: Accuracy) -> ModelMetrics:
    labels, count = model.classifier.info.labels, len(accuracy.truth)
    confusion = confusion_matrix(accuracy.truth, accuracy.predicted(), classes=len(labels))
    classes = class_metrics(confusion, labels)
    return ModelMetrics(
        model=model,
        accuracy=accuracy,
        top1=wilson_interval(round(accuracy.top1 * count), count),
        top5=wilson_interval(round(accuracy.top(5) * count), count),
        confusion=confusion,
        classes=classes,
        macro_f1=macro_f1(classes),
        calibration=calibration(accuracy.truth, accuracy.probabilities),
        uncalibrated_ece=_uncalibrated_ece(accuracy),
        mistakes=_mistakes(accuracy),
    )


def _uncalibrated_ece(accuracy: Accuracy) -> float | None:
    if accuracy.uncalibrated is None:
        return None
    return expected_calibration_error(accuracy.truth, accuracy.uncalibrated)


def _mistakes(accuracy: Accuracy) -> tuple[Mistake, ...]:
    predicted, confidence = accuracy.predicted(), accuracy.confidence()
    wrong = np.flatnonzero(predicted != accuracy.truth)
    most_confident = wrong[np.argsort(-confidence[wrong], kind="stable")][:_MAX_MISTAKES].tolist()
    return tuple(
        Mistake(
            image=number,
            truth=int(accuracy.truth[number]),
            predicted=int(predicted[number]),
            probability=float(confidence[number]),
            truth_probability=float(accuracy.probabilities[number, accuracy.truth[number]]),
        )
        for number in most_confident
    )


def _compare(first: ModelMetrics, second: ModelMetrics) -> Comparison:
    pairs = zip(first.predicted_labels(), second.predicted_labels(), strict=True)
    return Comparison(
        first=first,
        second=second,
        paired=paired_test(first.correct(), second.correct()),
        flipped=tuple(number for number, (ours, theirs) in enumerate(pairs) if ours != theirs),
    )


def _metrics_dict(metrics: ModelMetrics, names: tuple[str, ...]) -> dict[str, Any]:
    truth, predicted = np.nonzero(metrics.confusion)
    return {
        "model": metrics.model.name,
        "crops": metrics.model.crops,
        "top1": metrics.top1.to_dict(),
        "recorded_top1": metrics.recorded_top1,
        "top5": metrics.top5.to_dict(),
        "macro_f1": metrics.macro_f1,
        "calibration": metrics.calibration.to_dict(),
        "temperature": metrics.temperature,
        "uncalibrated_ece": metrics.uncalibrated_ece,
        "classes": [row.to_dict() for row in metrics.classes],
        # [true class, predicted class, images] of every cell that is not 0; with 1000 classes most are.
        "confusion": [
            [t, p, int(metrics.confusion[t, p])] for t, p in zip(truth.tolist(), predicted.tolist(), strict=True)
        ],
        "mistakes": [_mistake_dict(mistake, metrics.labels, names) for mistake in metrics.mistakes],
    }


def _mistake_dict(mistake: Mistake, labels: tuple[str, ...], names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": names[mistake.image],
        "truth": labels[mistake.truth],
        "predicted": labels[mistake.predicted],
        "probability": mistake.probability,
        "truth_probability": mistake.truth_probability,
    }


def _comparison_dict(comparison: Comparison, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "first": comparison.first.model.name,
        "second": comparison.second.model.name,
        **comparison.paired.to_dict(),
        "flipped": [names[number] for number in comparison.flipped],
    }
