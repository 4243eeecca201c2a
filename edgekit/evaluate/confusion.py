"""Which classes are taken for which, and what that means for each of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Indexes = npt.NDArray[np.int64]


def confusion_matrix(truth: Indexes, predicted: Indexes, *, classes: int) -> Counts:
    """(classes, classes) counts of pictures: a row for each true class, a column for each predicted one."""
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """One class. pictures: that truly are of it; predicted: that were said to be.

    precision: share right of those predicted; recall: share found of those of the class; f1: their harmonic mean. None
    where there is nothing to divide by.
    """

    label: str
    index: int
    pictures: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        return dataclasses.asdict(self)


def class_figures(confusion: Counts, labels: tuple[str, ...]) -> tuple[ClassFigures, ...]:
    """Of every class, in the order of the labels."""
    right, pictures, predicted = (a.tolist() for a in (confusion.diagonal(), confusion.sum(1), confusion.sum(0)))
    return tuple(
        ClassFigures(
            label=label,
            index=index,
            pictures=pictures[index],
            predicted=predicted[index],
            precision=_share(right[index], predicted[index]),
            recall=_share(right[index], pictures[index]),
            f1=_share(2 * right[index], pictures[index] + predicted[index]),
        )
        for index, label in enumerate(labels)
    )


def macro_f1(figures: tuple[ClassFigures, ...]) -> float:
    """The mean F1 of the classes that have pictures: each class counts as much as any other."""
    return float(np.mean([row.f1 for row in figures if row.pictures and row.f1 is not None]))


class Pair(NamedTuple):
    """Pictures of the class `truth` that were taken for `predicted` (both are indexes)."""

    truth: int
    predicted: int
    pictures: int


def confused_pairs(confusion: Counts) -> tuple[Pair, ...]:
    """Every pair of classes that was confused, the most frequent first."""
    wrong = confusion - np.diag(confusion.diagonal())
    rows, columns = np.nonzero(wrong)
    counts = wrong[rows, columns]
    order = np.argsort(-counts, kind="stable")
    return tuple(Pair(*map(int, three)) for three in zip(rows[order], columns[order], counts[order], strict=True))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
