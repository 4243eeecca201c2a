"""Accuracy on labeled images, measured from image file to label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.dataset import ImageSet
from edgekit.errors import DataError, check_types
from edgekit.labels import match_labels, rename_classes
from edgekit.preprocess.crops import CropPlan
from edgekit.runtime.classifier import Classifier


@dataclass(frozen=True, slots=True, eq=False)
class Accuracy:
    """A model's predictions for labeled images.

    Attributes:
        truth: int64 (N,) true class indexes among the model's labels.
        probabilities: float64 (N, classes).
    """

    truth: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]

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

    def to_dict(self) -> dict[str, Any]:
        """The number of images, top-1 and top-5 accuracy, as JSON-ready values."""
        return {"images": len(self.truth), "top1": self.top1, "top5": self.top(5)}


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
    probabilities = []
    for prediction in classifier.predict_many(images.sources, on_error="raise", top=1, plan=plan):
        probabilities.append(prediction.probabilities)
        on_image()
    return Accuracy(truth, np.stack(probabilities))


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
