"""Measured accuracy, from image file to label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.dataset import ImageSet
from edgekit.errors import DataError
from edgekit.labels import match_labels, rename_classes
from edgekit.preprocess.crops import CropPlan
from edgekit.runtime.classifier import Classifier


@dataclass(frozen=True, slots=True, eq=False)
class Accuracy:
    """A model's predictions for labeled images.

    truth: (N,) class indexes. probabilities: (N, classes).
    """

    truth: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]

    @property
    def top1(self) -> float:
        """Share of the images whose most probable class is the true one."""
        return self.top(1)

    def top(self, k: int) -> float:
        """Share of the images whose true class is among the k most probable ones; ties count by class index."""
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :k]
        return float((order == self.truth[:, None]).any(axis=1).mean())

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        return {"images": len(self.truth), "top1": self.top1, "top5": self.top(5)}


def measure_accuracy(
    classifier: Classifier,
    images: ImageSet,
    *,
    plan: str | int | CropPlan = "center",
    on_image: Callable[[], None] = lambda: None,
) -> Accuracy:
    """Predict every image as an application would. on_image is called after each.

    Classes are matched by name. Raises DataError for a class that the model does not have, ImageError for an image
    that cannot be read.
    """
    truth = class_indexes(images, classifier.info.labels)
    probabilities = []
    for source in images.sources:
        probabilities.append(classifier.predict(source, plan=plan).probabilities)
        on_image()
    return Accuracy(truth, np.stack(probabilities))


def class_indexes(
    images: ImageSet, labels: tuple[str, ...], *, synonyms: Mapping[str, str] | None = None
) -> npt.NDArray[np.int64]:
    """(N,) the images' class indexes among the model's labels, matched by name.

    synonyms: the model's label for a class of the images, if their names differ. Raises DataError listing the names
    that only one side has.
    """
    if not len(images):
        raise DataError("there are no images to measure on")
    names = rename_classes(images.classes, labels, synonyms or {})
    used = {names[label] for label in images.labels}
    owners, hint = ("the images", "the model"), "; --map OLD=NEW matches two names"
    index = match_labels(names, labels, owners=owners, subset=True, used=used, hint=hint)
    return np.array([index[label] for label in images.labels], np.int64)
