"""Accuracy on labeled images, measured from image file to label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.dataset import ImageSet
from edgekit.errors import DataError, check_types
from edgekit.evaluate.calibration import expected_calibration_error
from edgekit.labels import match_labels, rename_classes
from edgekit.preprocess.crops import CropPlan
from edgekit.preprocess.scores import with_temperature
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.prediction import Prediction


@dataclass(frozen=True, slots=True, eq=False)
class Accuracy:
    """A model's predictions for labeled images.

    Attributes:
        truth: int64 (N,) true class indexes among the model's labels.
        probabilities: float64 (N, classes).
        uncalibrated: float64 (N, classes), the probabilities without the model's temperature; None if it has none.
    """

    truth: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    uncalibrated: npt.NDArray[np.float64] | None = None

    @property
    def top1(self) -> float:
        """Top-1 accuracy: the share of images whose most probable class is the true one, 0 to 1."""
        return self.top(1)

    def top(self, k: int) -> float:
        """Top-k accuracy: the share of images whose true class is among the k most probable ones, 0 to 1.

        Args:
            k: number of classes; ties are broken by class index.
        """
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :k]
        return float((order == self.truth[:, None]).any(axis=1).mean())

    def with_temperature(self, temperature: float) -> Accuracy:
        """The predictions of a model without a temperature, as it makes them with one.

        Args:
            temperature: above 0.
        """
        return Accuracy(self.truth, with_temperature(self.probabilities, temperature), self.probabilities)

    def to_dict(self) -> dict[str, Any]:
        """The number of images, top-1 and top-5 accuracy, as JSON-ready values.

        If the model has a temperature, also the expected calibration errors with and without it, 0 to 1.
        """
        figures = {"images": len(self.truth), "top1": self.top1, "top5": self.top(5)}
        if self.uncalibrated is None:
            return figures
        errors = [expected_calibration_error(self.truth, p) for p in (self.probabilities, self.uncalibrated)]
        return figures | dict(zip(("ece", "uncalibrated_ece"), (round(error, 4) for error in errors), strict=True))


def measure_accuracy(
    classifier: Classifier,
    images: ImageSet,
    *,
    plan: str | int | CropPlan = "center",
    on_image: Callable[[], None] = lambda: None,
) -> Accuracy:
    """Measure accuracy by predicting every image as an application would.

    The classes of the images are matched with the model's labels by name, in any order.

    Args:
        classifier: the model.
        images: labeled images.
        plan: crop plan by name, number of crops or `CropPlan`; one center crop by default.
        on_image: called after each image.

    Raises:
        DataError: there are no images, or one has a class that the model does not have.
        ImageError: an image cannot be read.

    Example:
        >>> from edgekit import Classifier, dataset
        >>> from edgekit.evaluate import measure_accuracy
        >>> accuracy = measure_accuracy(Classifier("model.onnx"), dataset.read("photos", "val"))
        >>> accuracy.top1 > 0.8
        True
    """
    check_types(Classifier, classifier=classifier)
    check_types(ImageSet, images=images)
    truth = class_indexes(images, classifier.info.labels)
    predictions = []
    for prediction in classifier.predict_many(images.sources, on_error="raise", top=1, plan=plan):
        predictions.append(prediction)
        on_image()
    return accuracy_of(predictions, truth, temperature=classifier.info.temperature)


def accuracy_of(
    predictions: Sequence[Prediction], truth: npt.NDArray[np.int64], *, temperature: float | None
) -> Accuracy:
    """The accuracy of predictions.

    Args:
        predictions: one for each image.
        truth: int64 (N,) true class indexes.
        temperature: the model's; None for none.
    """
    uncalibrated = np.stack([prediction.uncalibrated for prediction in predictions])
    if temperature is None:
        return Accuracy(truth, uncalibrated)
    return Accuracy(truth, np.stack([prediction.probabilities for prediction in predictions]), uncalibrated)


def class_indexes(
    images: ImageSet, labels: tuple[str, ...], *, synonyms: Mapping[str, str] | None = None
) -> npt.NDArray[np.int64]:
    """Match the classes of images with a model's labels by name.

    Args:
        images: labeled images.
        labels: the model's labels.
        synonyms: the model's label for each class of the images that has another name.

    Returns:
        int64 (N,) class index of each image among `labels`.

    Raises:
        DataError: there are no images, or a class does not match exactly one label; the message lists the names that
            only one side has.
    """
    if not len(images):
        raise DataError("there are no images to evaluate on")
    names = rename_classes(images.classes, labels, synonyms or {})
    used = {names[label] for label in images.labels}
    owners, hint = ("the images", "the model"), "; match names that differ with `synonyms` (OLD=NEW)"
    index = match_labels(names, labels, owners=owners, subset=True, used=used, hint=hint)
    return np.array([index[label] for label in images.labels], np.int64)
