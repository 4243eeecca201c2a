"""Models' predictions for labeled images, each image read as an application would read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.dataset import ImageSet, Unreadable
from edgekit.errors import DataError, ImageError
from edgekit.evaluate.accuracy import Accuracy, class_indexes
from edgekit.runtime.bulk import predict_many
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.prediction import Prediction


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedModel:
    """One of the models that are evaluated together, with its crop plan.

    name: unique among them. path: of the model file.
    """

    name: str
    path: Path
    classifier: Classifier
    crops: str = "center"


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The predictions of several models for the same images.

    images: those that every model could read. accuracies: one for each model, rows in the order of the images.
    """

    models: tuple[EvaluatedModel, ...]
    images: ImageSet
    accuracies: tuple[Accuracy, ...]
    unreadable: tuple[Unreadable, ...]


def predict_all(
    models: Sequence[EvaluatedModel],
    images: ImageSet,
    *,
    synonyms: Mapping[str, str] | None = None,
    on_image: Callable[[], None] = lambda: None,
) -> Predictions:
    """Predict every image by every model; an image that one of them cannot read is left out for all of them.

    synonyms: the model's label for a class of the images, if they differ. on_image is called after each image of
    each model. Raises DataError for classes that a model does not have, or if no image can be read.
    """
    truths = [class_indexes(images, model.classifier.info.labels, synonyms=synonyms) for model in models]
    outcomes = [_outcomes(model, images, on_image) for model in models]
    unreadable = _unreadable(images, outcomes)
    readable = [number for number in range(len(images)) if number not in unreadable]
    if not readable:
        raise DataError(f"none of the {len(images)} images can be read; the first: {unreadable[0].reason}")
    accuracies = [
        Accuracy(
            truth[readable],
            np.stack([p.probabilities for n in readable if isinstance(p := predictions[n], Prediction)]),
        )
        for truth, predictions in zip(truths, outcomes, strict=True)
    ]
    return Predictions(tuple(models), images.subset(readable), tuple(accuracies), tuple(unreadable.values()))


def bulk_predictions(model: EvaluatedModel, images: ImageSet) -> Iterator[Prediction | ImageError]:
    """The prediction or the error for each image in order: bulk prediction, all that an evaluation should cost."""
    return predict_many(model.classifier, images.sources, top=1, plan=model.crops)


def _outcomes(model: EvaluatedModel, images: ImageSet, on_image: Callable[[], None]) -> list[Prediction | ImageError]:
    outcomes = []
    for outcome in bulk_predictions(model, images):
        outcomes.append(outcome)
        on_image()
    return outcomes


def _unreadable(images: ImageSet, outcomes: Sequence[Sequence[Prediction | ImageError]]) -> dict[int, Unreadable]:
    """By the image's number, the first reason that any model had."""
    unreadable: dict[int, Unreadable] = {}
    for of_model in outcomes:
        for number, outcome in enumerate(of_model):
            if isinstance(outcome, ImageError):
                unreadable.setdefault(number, Unreadable(images.names[number], str(outcome)))
    return dict(sorted(unreadable.items()))
