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

    pictures: those that every model could read. accuracies: one for each model, rows in the order of the images.
    """

    models: tuple[EvaluatedModel, ...]
    pictures: ImageSet
    accuracies: tuple[Accuracy, ...]
    unreadable: tuple[Unreadable, ...]


def predict_all(
    models: Sequence[EvaluatedModel],
    pictures: ImageSet,
    *,
    synonyms: Mapping[str, str] | None = None,
    on_picture: Callable[[], None] = lambda: None,
) -> Predictions:
    """Predict every image by every model; an image that one of them cannot read is left out for all of them.

    synonyms: the model's label for a class of the images, if they differ. on_picture is called after each image of
    each model. Raises DataError for classes that a model does not have, or if no image can be read.
    """
    truths = [class_indexes(pictures, model.classifier.info.labels, synonyms=synonyms) for model in models]
    outcomes = [_outcomes(model, pictures, on_picture) for model in models]
    unreadable = _unreadable(pictures, outcomes)
    readable = [number for number in range(len(pictures)) if number not in unreadable]
    if not readable:
        raise DataError(f"none of the {len(pictures)} pictures can be read; the first: {unreadable[0].reason}")
    accuracies = [
        Accuracy(
            truth[readable],
            np.stack([p.probabilities for n in readable if isinstance(p := predictions[n], Prediction)]),
        )
        for truth, predictions in zip(truths, outcomes, strict=True)
    ]
    return Predictions(tuple(models), pictures.subset(readable), tuple(accuracies), tuple(unreadable.values()))


def bulk_predictions(model: EvaluatedModel, pictures: ImageSet) -> Iterator[Prediction | ImageError]:
    """The prediction or the error for each image in order: bulk prediction, all that an evaluation should cost."""
    return predict_many(model.classifier, pictures.sources, top=1, plan=model.crops)


def _outcomes(
    model: EvaluatedModel, pictures: ImageSet, on_picture: Callable[[], None]
) -> list[Prediction | ImageError]:
    outcomes = []
    for outcome in bulk_predictions(model, pictures):
        outcomes.append(outcome)
        on_picture()
    return outcomes


def _unreadable(pictures: ImageSet, outcomes: Sequence[Sequence[Prediction | ImageError]]) -> dict[int, Unreadable]:
    """By the image's number, the first reason that any model had."""
    unreadable: dict[int, Unreadable] = {}
    for of_model in outcomes:
        for number, outcome in enumerate(of_model):
            if isinstance(outcome, ImageError):
                unreadable.setdefault(number, Unreadable(pictures.names[number], str(outcome)))
    return dict(sorted(unreadable.items()))
