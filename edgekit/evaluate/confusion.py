"""The confusion matrix, and precision, recall and F1 score of every class."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgekit.errors import listed, quote

Counts = npt.NDArray[np.int64]
Indexes = npt.NDArray[np.int64]


def confusion_matrix(truth: Indexes, predicted: Indexes, *, classes: int) -> Counts:
    """Count images by their true and predicted classes.

    Args:
        truth: int64 (N,) true class indexes.
        predicted: int64 (N,) predicted class indexes.
        classes: number of classes.

    Returns:
        int64 (classes, classes): a row for each true class, a column for each predicted one.
    """
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMetrics:
    """The figures of one class.

    Attributes:
        label: name of the class.
        index: class index.
        images: number of images of the class.
        predicted: number of images that were predicted as the class.
        precision: share of the predicted images that are of the class, 0 to 1; None if none were predicted.
        recall: share of the images of the class that were predicted as it, 0 to 1; None if there are none.
        f1: harmonic mean of precision and recall; None if the class has no images, neither true nor predicted.
    """

    label: str
    index: int
    images: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON-ready values."""
        return dataclasses.asdict(self)


def class_metrics(confusion: Counts, labels: tuple[str, ...]) -> tuple[ClassMetrics, ...]:
    """The figures of every class, in the order of the labels.

    Args:
        confusion: int64 (classes, classes) from `confusion_matrix`.
        labels: names of the classes.
    """
    correct, images, predicted = (a.tolist() for a in (confusion.diagonal(), confusion.sum(1), confusion.sum(0)))
    rows = []
    for index, label in enumerate(labels):
        precision, recall, f1 = class_figures(correct[index], images[index], predicted[index])
        rows.append(
            ClassMetrics(
                label=label,
                index=index,
                images=images[index],
                predicted=predicted[index],
                precision=precision,
                recall=recall,
                f1=f1,
            )
        )
    return tuple(rows)


def class_figures(correct: int, images: int, predicted: int) -> tuple[float | None, float | None, float | None]:
    """Precision, recall and F1 score of a class, each None if it has no denominator.

    Args:
        correct: number of images of the class that were predicted as it.
        images: number of images of the class.
        predicted: number of images that were predicted as the class.
    """
    return _share(correct, predicted), _share(correct, images), _share(2 * correct, images + predicted)


def macro_f1(classes: Sequence[ClassMetrics]) -> float:
    """The mean F1 score of the classes that have images; all of them count equally."""
    return float(np.mean([row.f1 for row in classes if row.images and row.f1 is not None]))


class ConfusedPair(NamedTuple):
    """An off-diagonal cell of a confusion matrix.

    Attributes:
        truth: index of the true class.
        predicted: index of the predicted class.
        images: number of images of the one that were predicted as the other.
    """

    truth: int
    predicted: int
    images: int


def never_predicted(confusion: Counts, labels: Sequence[str]) -> str | None:
    """Name the classes that have images but were never predicted, which a high accuracy may hide; None if none is.

    Args:
        confusion: int64 (classes, classes) from `confusion_matrix`.
        labels: class names.
    """
    counts = zip(labels, confusion.sum(1).tolist(), confusion.sum(0).tolist(), strict=True)
    missed = [
        f"{quote(label)} ({images} image{'s' * (images > 1)})"
        for label, images, predicted in counts
        if images and not predicted
    ]
    return f"never predicted: {listed(missed, most=10)}" if missed else None


def confused_pairs(confusion: Counts) -> tuple[ConfusedPair, ...]:
    """All pairs of classes that were confused, the most frequent first.

    Args:
        confusion: int64 (classes, classes) from `confusion_matrix`.
    """
    wrong = confusion - np.diag(confusion.diagonal())
    rows, columns = np.nonzero(wrong)
    counts = wrong[rows, columns]
    order = np.argsort(-counts, kind="stable")
    cells = zip(rows[order].tolist(), columns[order].tolist(), counts[order].tolist(), strict=True)
    return tuple(ConfusedPair(*cell) for cell in cells)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
