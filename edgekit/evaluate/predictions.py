"""Predictions of several models for labeled images, each image read as an application would read it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.dataset import ImageSet, Unreadable
from edgekit.errors import DataError, ImageError, check_types
from edgekit.evaluate.accuracy import AnyAccuracy, CollectedScores, true_labels
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.prediction import Prediction


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedModel:
    """One of the models that are evaluated together.

    Attributes:
        name: name in tables and reports, unique among the models.
        path: the model file.
        classifier: the opened model.
        crops: name of the crop plan to predict with.
    """

    name: str
    path: Path
    classifier: Classifier
    crops: str = "center"


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The predictions of several models for the same images.

    Attributes:
        models: the models.
        images: the images that every model could read.
        accuracies: predictions of each model, with a row for each of `images`.
        unreadable: names of the other images, each with the reason.
    """

    models: tuple[EvaluatedModel, ...]
    images: ImageSet
    accuracies: tuple[AnyAccuracy, ...]
    unreadable: tuple[Unreadable, ...]


def predict_all(
    models: Sequence[EvaluatedModel],
    images: ImageSet,
    *,
    synonyms: Mapping[str, str] | None = None,
    calibrated: bool = True,
    on_image: Callable[[], None] = lambda: None,
) -> Predictions:
    """Predict every image with every model; an image that one model cannot read is left out for all of them.

    Args:
        models: the models.
        images: labeled images.
        synonyms: the models' label for each class of the images that has another name.
        calibrated: scale the probabilities by a model's temperature, if its file has one.
        on_image: called after each image of each model.

    Raises:
        DataError: a model does not have a class of the images, no image can be read, or the images are multi-label and
            a model is not, or the reverse.

    Example:
        >>> from pathlib import Path
        >>> from edgekit import Classifier, dataset
        >>> from edgekit.evaluate import EvaluatedModel, predict_all
        >>> classifier, path = Classifier("model.onnx"), Path("model.onnx")
        >>> models = [EvaluatedModel(crops, path, classifier, crops) for crops in ("center", "ten")]
        >>> predictions = predict_all(models, dataset.read("photos", "val"))
        >>> [accuracy.probabilities.shape for accuracy in predictions.accuracies]
        [(120, 3), (120, 3)]
    """
    check_types(Sequence, models=models)
    for model in models:
        check_types(EvaluatedModel, models=model)
    check_types(ImageSet, images=images)
    truths = [true_labels(images, model.classifier.info, synonyms=synonyms or {}) for model in models]
    outcomes = [_outcomes(model, images, calibrated=calibrated, on_image=on_image) for model in models]
    unreadable = _unreadable(images, outcomes)
    readable = [number for number in range(len(images)) if number not in unreadable]
    if not readable:
        raise DataError(f"none of the {len(images)} images can be read; the first: {unreadable[0].reason}")
    accuracies = [
        outcome.scores.accuracy(truth[readable], kept=outcome.rows_without(unreadable))
        for truth, outcome in zip(truths, outcomes, strict=True)
    ]
    readable_images = images.subset(readable) if unreadable else images
    return Predictions(tuple(models), readable_images, tuple(accuracies), tuple(unreadable.values()))


def bulk_predictions(model: EvaluatedModel, images: ImageSet) -> Iterator[Prediction | ImageError]:
    """The prediction or the error for each image in order: bulk prediction, all that an evaluation should cost."""
    return model.classifier.predict_many(images.sources, top=1, plan=model.crops)


@dataclass(frozen=True, slots=True, eq=False)
class _Outcomes:
    """The predictions of a model: the scores of the images that it can read, and the errors of others by number."""

    scores: CollectedScores
    errors: dict[int, str]
    images: int

    def rows_without(self, unreadable: Collection[int]) -> list[int]:
        """The rows of the scores of all images but some."""
        predicted = (number for number in range(self.images) if number not in self.errors)
        return [row for row, number in enumerate(predicted) if number not in unreadable]


def _outcomes(model: EvaluatedModel, images: ImageSet, *, calibrated: bool, on_image: Callable[[], None]) -> _Outcomes:
    outcomes = _Outcomes(CollectedScores(model.classifier.info, calibrated=calibrated), {}, len(images))
    for number, outcome in enumerate(bulk_predictions(model, images)):
        if isinstance(outcome, ImageError):
            outcomes.errors[number] = str(outcome)
        else:
            outcomes.scores.append(outcome)
        on_image()
    return outcomes


def _unreadable(images: ImageSet, outcomes: Sequence[_Outcomes]) -> dict[int, Unreadable]:
    """By the image's number, the first reason that any model had."""
    reasons: dict[int, str] = {}
    for outcome in outcomes:
        reasons = outcome.errors | reasons
    return {number: Unreadable(images.names[number], reason) for number, reason in sorted(reasons.items())}
