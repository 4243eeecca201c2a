"""Accuracy on labeled images, measured from image file to label."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from edgekit.artifact.info import ArtifactInfo
from edgekit.dataset import ImageSet
from edgekit.errors import DataError, check_types
from edgekit.evaluate.calibration import expected_calibration_error
from edgekit.evaluate.multi_label import MultiLabelAccuracy
from edgekit.evaluate.rows import RowCollector, blocks, of_rows
from edgekit.labels import match_labels, rename_classes
from edgekit.preprocess.crops import CropPlan
from edgekit.preprocess.scores import with_temperature
from edgekit.preprocess.scoring import Scoring
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.prediction import Prediction

Truth: TypeAlias = "npt.NDArray[Any]"  # int64 (N,) class indexes, or for multi-label bool (N, classes)


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

    key: ClassVar[str] = "top1"
    metric: ClassVar[str] = "top-1 accuracy"

    @property
    def value(self) -> float:
        """The figure that judges the model: `top1`."""
        return self.top1

    @property
    def top1(self) -> float:
        """Top-1 accuracy: the share of images whose most probable class is the true one, 0 to 1."""
        return self.top(1)

    def top(self, k: int) -> float:
        """Top-k accuracy: the share of images whose true class is among the k most probable ones, 0 to 1.

        Args:
            k: number of classes; ties are broken by class index.
        """
        hits = 0
        for rows in blocks(self.probabilities):
            order = np.argsort(-self.probabilities[rows], axis=1, kind="stable")[:, :k]
            hits += int((order == self.truth[rows, None]).any(axis=1).sum())
        return hits / len(self.truth)

    def predicted(self) -> npt.NDArray[np.int64]:
        """The index of the most probable class of each image: int64 (N,)."""
        return of_rows(self.probabilities, lambda rows: rows.argmax(axis=1))

    def confidence(self) -> npt.NDArray[np.float64]:
        """The probability of the most probable class of each image: float64 (N,)."""
        return of_rows(self.probabilities, lambda rows: rows.max(axis=1))

    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether the predicted label of each image is the true one: bool (N,)."""
        return np.asarray(self.predicted() == self.truth)

    def with_temperature(self, temperature: float) -> Accuracy:
        """The predictions of a model without a temperature, as it makes them with one.

        Args:
            temperature: above 0.
        """
        return Accuracy(self.truth, with_temperature(self.probabilities, temperature), self.probabilities)

    def to_dict(self) -> dict[str, Any]:
        """The number of images, top-1 and top-5 accuracy, as JSON-ready values."""
        return {"images": len(self.truth), "top1": self.top1, "top5": self.top(5)}

    def calibration_errors(self, measured: npt.NDArray[np.bool_]) -> dict[str, Any]:
        """The expected calibration errors with and without the model's temperature, 0 to 1, as JSON-ready values.

        Args:
            measured: bool (N,), the images to measure on: those that the temperature was not fitted to.

        Returns:
            `ece_images`, the number of these images, `ece` and `uncalibrated_ece`; nothing if there are no such images,
            or if the model has no temperature.
        """
        if self.uncalibrated is None or not measured.any():
            return {}
        pairs = (("ece", self.probabilities), ("uncalibrated_ece", self.uncalibrated))
        errors = {
            name: round(expected_calibration_error(self.truth[measured], probabilities[measured]), 4)
            for name, probabilities in pairs
        }
        return {"ece_images": int(measured.sum()), **errors}


AnyAccuracy: TypeAlias = Accuracy | MultiLabelAccuracy


def measure_accuracy(
    classifier: Classifier,
    images: ImageSet,
    *,
    plan: str | int | CropPlan = "center",
    on_image: Callable[[], None] = lambda: None,
) -> AnyAccuracy:
    """Measure accuracy by predicting every image as an application would.

    The classes of the images are matched with the model's labels by name, in any order.

    Args:
        classifier: the model.
        images: labeled images.
        plan: crop plan by name, number of crops or `CropPlan`; one center crop by default.
        on_image: called after each image.

    Returns:
        An `Accuracy`, or a `MultiLabelAccuracy` if the model and the images are multi-label.

    Raises:
        DataError: there are no images, one has a class that the model does not have, or only one of the model and the
            images is multi-label.
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
    truth = true_labels(images, classifier.info)
    collected = CollectedScores(classifier.info)
    for prediction in classifier.predict_many(images.sources, on_error="raise", top=1, plan=plan):
        collected.append(prediction)
        on_image()
    return collected.accuracy(truth)


class CollectedScores:
    """The probabilities of a model's predictions, added image by image.

    Args:
        info: the model's metadata.
        calibrated: scale the probabilities by the model's temperature, if it has one.
    """

    def __init__(self, info: ArtifactInfo, *, calibrated: bool = True) -> None:
        self._info = info
        self._uncalibrated = RowCollector()
        self._calibrated = None if info.temperature is None or not calibrated else RowCollector()

    def append(self, prediction: Prediction) -> None:
        """Add the prediction of an image."""
        self._uncalibrated.append(prediction.uncalibrated)
        if self._calibrated is not None:
            self._calibrated.append(prediction.probabilities)

    def accuracy(self, truth: Truth, *, kept: Sequence[int] | None = None) -> AnyAccuracy:
        """The accuracy of the predictions, which are then forgotten.

        Args:
            truth: from `true_labels`, of the predictions that are kept.
            kept: numbers of the predictions to use, ascending; all by default.
        """
        uncalibrated = self._uncalibrated.table(kept)
        if self._calibrated is None:
            return accuracy_from(truth, uncalibrated, self._info.scoring)
        return Accuracy(truth, self._calibrated.table(kept), uncalibrated)


def accuracy_from(truth: Truth, probabilities: npt.NDArray[np.float64], scoring: Scoring) -> AnyAccuracy:
    """The accuracy of probabilities.

    Args:
        truth: from `true_labels`.
        probabilities: float64 (N, classes).
        scoring: the model's.
    """
    if scoring.is_multi_label:
        return MultiLabelAccuracy(truth, probabilities, scoring)
    return Accuracy(truth, probabilities)


def figures_beside_fit(accuracy: AnyAccuracy, info: ArtifactInfo, measured: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """What a temperature or thresholds change, as JSON-ready values, on images that they were not fitted to.

    Args:
        accuracy: the model's predictions, before or after the fit.
        info: its metadata, with what was fitted.
        measured: bool (N,), the images to measure on.

    Returns:
        As `Accuracy.calibration_errors`, or for multi-label as `MultiLabelAccuracy.threshold_figures`; nothing if
        nothing was fitted.
    """
    if isinstance(accuracy, MultiLabelAccuracy):
        fitted = info.thresholds_fit is not None
        return dataclasses.replace(accuracy, scoring=info.scoring).threshold_figures(measured) if fitted else {}
    if info.temperature is not None and accuracy.uncalibrated is None:
        accuracy = accuracy.with_temperature(info.temperature)
    return accuracy.calibration_errors(measured)


def true_labels(images: ImageSet, info: ArtifactInfo, *, synonyms: Mapping[str, str] | None = None) -> Truth:
    """Match the classes of images with those of a model by name.

    Args:
        images: labeled images.
        info: the model's metadata.
        synonyms: the model's label for each class of the images that has another name.

    Returns:
        int64 (N,) class index of each image among the model's labels, or for multi-label bool (N, classes), which of
        them each image has.

    Raises:
        DataError: as by `class_indexes`; or only one of the images and the model is multi-label, or no image of a
            multi-label set has a label.
    """
    if images.task != info.task:
        remedy = "a table with the column 'labels'" if info.task == "multi-label" else "one label per image"
        raise DataError(f"the images are {images.task}, but the model is {info.task}; it needs {remedy}")
    if images.label_sets is None:
        return class_indexes(images, info.labels, synonyms=synonyms)
    if not any(images.label_sets):
        raise DataError(f"none of the {len(images)} images has a label; at least one must have one")
    used = {label for labels in images.label_sets for label in labels}
    index = _label_indexes(images, info.labels, used=used, synonyms=synonyms)
    truth = np.zeros((len(images), len(info.labels)), np.bool_)
    for row, labels in zip(truth, images.label_sets, strict=True):
        row[[index[label] for label in labels]] = True
    return truth


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
    index = _label_indexes(images, labels, used=set(images.labels), synonyms=synonyms)
    return np.array([index[label] for label in images.labels], np.int64)


def _label_indexes(
    images: ImageSet, labels: tuple[str, ...], *, used: set[int], synonyms: Mapping[str, str] | None
) -> Sequence[int]:
    """The index among the labels of each class of the images; `used` are the classes that images have."""
    names = rename_classes(images.classes, labels, synonyms or {})
    owners, hint = ("the images", "the model"), "; rename the classes of the images"
    if synonyms is not None:
        hint = "; match names that differ with `synonyms` (OLD=NEW)"
    return match_labels(names, labels, owners=owners, subset=True, used={names[label] for label in used}, hint=hint)
