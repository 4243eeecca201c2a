"""The metrics of an evaluation of multi-label models: of each model, and of each further one compared with the first.

As in `evaluation`, with mean average precision in the place of top-1 accuracy.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.dataset import ImageSet, Unreadable
from edgekit.errors import SpecError, check_types
from edgekit.evaluate.confusion import macro_f1
from edgekit.evaluate.intervals import Interval
from edgekit.evaluate.multi_label import LabelMetrics, MultiLabelAccuracy
from edgekit.evaluate.predictions import EvaluatedModel, Predictions

_SCHEMA = 2
_MAX_MISTAKES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMistake:
    """A label that an image was given wrongly, or that it lacks.

    Attributes:
        image: index of the image in the image set.
        label: index of the label among the model's.
        missed: whether the image has the label and the model did not give it; False for the reverse.
        probability: of the label, 0 to 1.
    """

    image: int
    label: int
    missed: bool
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MultiLabelMetrics:
    """The metrics of one multi-label model.

    Attributes:
        model: the model.
        accuracy: its predictions.
        mean_average_precision: mAP, 0 to 1, with its 95% bootstrap interval over the images.
        micro_f1: F1 score of all decisions together; None if no image has a label, neither true nor given.
        macro_f1: mean F1 score of the classes that have images.
        classes: average precision, precision, recall and F1 score of every class, in the order of the labels.
        mistakes: wrong decisions, at most 24, those with the probability farthest from the threshold first.
    """

    model: EvaluatedModel
    accuracy: MultiLabelAccuracy
    mean_average_precision: Interval
    micro_f1: float | None
    macro_f1: float
    classes: tuple[LabelMetrics, ...]
    mistakes: tuple[LabelMistake, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's labels."""
        return self.model.classifier.info.labels

    def assigned_labels(self) -> list[frozenset[str]]:
        """The labels that the model gives to each image."""
        return [frozenset(self.labels[index] for index in np.flatnonzero(row)) for row in self.accuracy.assigned]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MultiLabelComparison:
    """A multi-label model compared with the first one on the same images.

    Attributes:
        first: metrics of the first model.
        second: metrics of the other model.
        gain: mAP of the second minus that of the first, in percentage points, with its 95% paired bootstrap interval.
        flipped: indexes of the images to which they give different labels.
    """

    first: MultiLabelMetrics
    second: MultiLabelMetrics
    gain: Interval
    flipped: tuple[int, ...]

    @property
    def verdict(self) -> str:
        """Whether the second model is better, in a few words: if 0 is outside the interval of the gain."""
        if self.gain.low <= 0 <= self.gain.high:
            return "no significant difference"
        return "better" if self.gain.value > 0 else "worse"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MultiLabelEvaluation:
    """The result of an evaluation of multi-label models.

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
    models: tuple[MultiLabelMetrics, ...]
    comparisons: tuple[MultiLabelComparison, ...]

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON-ready values: the document that `edgekit evaluate --json` prints."""
        names = self.images.names
        return {
            "schema": _SCHEMA,
            "task": "multi-label",
            "data": self.data,
            "images": len(self.images),
            "failed": [{"name": name, "error": reason} for name, reason in self.unreadable],
            "models": [_metrics_dict(metrics, names) for metrics in self.models],
            "comparisons": [
                {
                    "first": comparison.first.model.name,
                    "second": comparison.second.model.name,
                    "map_gain": comparison.gain.to_dict(),
                    "flipped": [names[number] for number in comparison.flipped],
                }
                for comparison in self.comparisons
            ],
        }


def evaluate_multi_label(predictions: Predictions, *, data: str | os.PathLike[str]) -> MultiLabelEvaluation:
    """Compute all metrics from the predictions of one or more multi-label models.

    Args:
        predictions: predictions from `predict_all`.
        data: name of the data, for reports.

    Raises:
        SpecError: `predictions` are not those of `predict_all` for multi-label models.

    Example:
        >>> from pathlib import Path
        >>> from edgekit import Classifier, dataset
        >>> from edgekit.evaluate import EvaluatedModel, evaluate_multi_label, predict_all
        >>> model = EvaluatedModel("tags", Path("tags.onnx"), Classifier("tags.onnx"))
        >>> predictions = predict_all([model], dataset.read("shapes", "val"))
        >>> evaluation = evaluate_multi_label(predictions, data="shapes")
        >>> evaluation.models[0].mean_average_precision
        Interval(value=..., low=..., high=...)
    """
    check_types(Predictions, predictions=predictions)
    check_types(str | os.PathLike, data=data)
    accuracies = [accuracy for accuracy in predictions.accuracies if isinstance(accuracy, MultiLabelAccuracy)]
    if len(accuracies) < len(predictions.accuracies):
        raise SpecError("`predictions` are single-label; use edgekit.evaluate.evaluate")
    models = tuple(_metrics(*pair) for pair in zip(predictions.models, accuracies, strict=True))
    return MultiLabelEvaluation(
        data=os.fspath(data),
        images=predictions.images,
        unreadable=predictions.unreadable,
        models=models,
        comparisons=tuple(_compare(models[0], other) for other in models[1:]),
    )


def _metrics(model: EvaluatedModel, accuracy: MultiLabelAccuracy) -> MultiLabelMetrics:
    classes = accuracy.classes(model.classifier.info.labels)
    return MultiLabelMetrics(
        model=model,
        accuracy=accuracy,
        mean_average_precision=accuracy.interval(),
        micro_f1=accuracy.micro_f1,
        macro_f1=macro_f1(classes),
        classes=classes,
        mistakes=_mistakes(accuracy),
    )


def _mistakes(accuracy: MultiLabelAccuracy) -> tuple[LabelMistake, ...]:
    distances = np.abs(accuracy.probabilities - accuracy.scoring.cutoffs)
    wrong = np.argwhere(accuracy.assigned != accuracy.truth)
    order = np.argsort(-distances[tuple(wrong.T)], kind="stable")[:_MAX_MISTAKES]
    return tuple(
        LabelMistake(
            image=image,
            label=label,
            missed=bool(accuracy.truth[image, label]),
            probability=float(accuracy.probabilities[image, label]),
        )
        for image, label in wrong[order].tolist()
    )


def _compare(first: MultiLabelMetrics, second: MultiLabelMetrics) -> MultiLabelComparison:
    drop = first.accuracy.drop(second.accuracy)
    pairs = zip(first.assigned_labels(), second.assigned_labels(), strict=True)
    return MultiLabelComparison(
        first=first,
        second=second,
        gain=Interval(value=-drop.value, low=-drop.high, high=-drop.low),
        flipped=tuple(number for number, (ours, theirs) in enumerate(pairs) if ours != theirs),
    )


def _metrics_dict(metrics: MultiLabelMetrics, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "model": metrics.model.name,
        "crops": metrics.model.crops,
        "map": metrics.mean_average_precision.to_dict(),
        "micro_f1": metrics.micro_f1,
        "macro_f1": metrics.macro_f1,
        "classes": [row.to_dict() for row in metrics.classes],
        "mistakes": [
            {
                "name": names[mistake.image],
                "label": metrics.labels[mistake.label],
                "missed": mistake.missed,
                "probability": mistake.probability,
            }
            for mistake in metrics.mistakes
        ],
    }
