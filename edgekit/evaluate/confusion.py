"""The confusion matrix, and precision, recall and F1 of every class."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Indexes = npt.NDArray[np.int64]


def confusion_matrix(truth: Indexes, predicted: Indexes, *, classes: int) -> Counts:
    """(classes, classes) counts of images: a row for each true class, a column for each predicted one."""
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMetrics:
    """One class. images: the images that are of it; predicted: those that were predicted to be.

    precision: share of the predicted images that are of the class; recall: share of the class's images that were
    predicted; f1: their harmonic mean. None if there is nothing to divide by.
    """

    label: str
    index: int
    images: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        return dataclasses.asdict(self)


def class_metrics(confusion: Counts, labels: tuple[str, ...]) -> tuple[ClassMetrics, ...]:
    """Of every class, in the order of the labels."""
    correct, images, predicted = (a.tolist() for a in (confusion.diagonal(), confusion.sum(1), confusion.sum(0)))
    return tuple(
        ClassMetrics(
            label=label,
            index=index,
            images=images[index],
            predicted=predicted[index],
            precision=_share(correct[index], predicted[index]),
            recall=_share(correct[index], images[index]),
            f1=_share(2 * correct[index], images[index] + predicted[index]),
        )
        for index, label in enumerate(labels)
    )


def macro_f1(classes: tuple[ClassMetrics, ...]) -> float:
    """The mean F1 of the classes that have images: each class counts as much as any other."""
    return float(np.mean([row.f1 for row in classes if row.images and row.f1 is not None]))


class ConfusedPair(NamedTuple):
    """How many images of the class `truth` were predicted as the class `predicted` (both are indexes)."""

    truth: int
    predicted: int
    images: int


def confused_pairs(confusion: Counts) -> tuple[ConfusedPair, ...]:
    """Every pair of classes that was confused, the most frequent first."""
    wrong = confusion - np.diag(confusion.diagonal())
    rows, columns = np.nonzero(wrong)
    counts = wrong[rows, columns]
    order = np.argsort(-counts, kind="stable")
    cells = zip(rows[order].tolist(), columns[order].tolist(), counts[order].tolist(), strict=True)
    return tuple(ConfusedPair(*cell) for cell in cells)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
