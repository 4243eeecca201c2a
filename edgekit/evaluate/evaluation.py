"""All figures of one evaluation: of each model, and of each against the first."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.dataset import PictureSet, Unreadable
from edgekit.evaluate.accuracy import Accuracy
from edgekit.evaluate.calibration import Calibration, calibration
from edgekit.evaluate.confusion import ClassFigures, Counts, class_figures, confusion_matrix, macro_f1
from edgekit.evaluate.intervals import Interval, Paired, paired, wilson
from edgekit.evaluate.predictions import Answers, Contender

_SCHEMA = 1
_MISTAKES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A picture that was answered wrong.

    picture: its number among the pictures. truth, predicted: class indexes of the model. probability: what the model
    gave its answer; truth_probability: what it gave the true class.
    """

    picture: int
    truth: int
    predicted: int
    probability: float
    truth_probability: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figures:
    """What is known of one contender. confusion: (classes, classes). mistakes: the most confident ones first."""

    contender: Contender
    accuracy: Accuracy
    top1: Interval
    top5: Interval
    confusion: Counts
    classes: tuple[ClassFigures, ...]
    macro_f1: float
    calibration: Calibration
    mistakes: tuple[Mistake, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's labels."""
        return self.contender.classifier.info.labels

    @property
    def recorded_top1(self) -> float | None:
        """What the file itself says, where that is of as many pictures and of one crop; None where it is not."""
        recorded = self.contender.classifier.info.metrics or {}
        alike = recorded.get("pictures") == len(self.accuracy.truth) and self.contender.crops == "center"
        top1 = recorded.get("top1") if alike else None
        return float(top1) if isinstance(top1, int | float) else None

    def answered(self) -> list[str]:
        """The label that was answered for each picture."""
        return [self.labels[index] for index in self.accuracy.probabilities.argmax(axis=1).tolist()]

    def right(self) -> npt.NDArray[np.bool_]:
        """(N,) whether each picture was answered right."""
        return np.asarray(self.accuracy.probabilities.argmax(axis=1) == self.accuracy.truth)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """A contender against the first one. flipped: numbers of the pictures that they answer by different labels."""

    first: Figures
    second: Figures
    paired: Paired
    flipped: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """One evaluation; data: what it was made on, for people."""

    data: str
    pictures: PictureSet
    unreadable: tuple[Unreadable, ...]
    figures: tuple[Figures, ...]
    comparisons: tuple[Comparison, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        return {
            "schema": _SCHEMA,
            "data": self.data,
            "pictures": len(self.pictures),
            "failed": [{"name": name, "error": reason} for name, reason in self.unreadable],
            "models": [_figures_dict(one, self.pictures.names) for one in self.figures],
            "comparisons": [_comparison_dict(one, self.pictures.names) for one in self.comparisons],
        }


def evaluation(answers: Answers, *, data: str | os.PathLike[str]) -> Evaluation:
    """All figures of the answers."""
    figures = tuple(_figures(c, a) for c, a in zip(answers.contenders, answers.accuracies, strict=True))
    return Evaluation(
        data=os.fspath(data),
        pictures=answers.pictures,
        unreadable=answers.unreadable,
        figures=figures,
        comparisons=tuple(_comparison(figures[0], other) for other in figures[1:]),
    )


def _figures(contender: Contender, accuracy: Accuracy) -> Figures:
    labels, count = contender.classifier.info.labels, len(accuracy.truth)
    confusion = confusion_matrix(accuracy.truth, accuracy.probabilities.argmax(axis=1), classes=len(labels))
    rows = class_figures(confusion, labels)
    return Figures(
        contender=contender,
        accuracy=accuracy,
        top1=wilson(round(accuracy.top1 * count), count),
        top5=wilson(round(accuracy.top(5) * count), count),
        confusion=confusion,
        classes=rows,
        macro_f1=macro_f1(rows),
        calibration=calibration(accuracy.truth, accuracy.probabilities),
        mistakes=_mistakes(accuracy),
    )


def _mistakes(accuracy: Accuracy) -> tuple[Mistake, ...]:
    predicted, sure = accuracy.probabilities.argmax(axis=1), accuracy.probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != accuracy.truth)
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:_MISTAKES].tolist()
    return tuple(
        Mistake(
            picture=number,
            truth=int(accuracy.truth[number]),
            predicted=int(predicted[number]),
            probability=float(sure[number]),
            truth_probability=float(accuracy.probabilities[number, accuracy.truth[number]]),
        )
        for number in worst
    )


def _comparison(first: Figures, second: Figures) -> Comparison:
    pairs = zip(first.answered(), second.answered(), strict=True)
    return Comparison(
        first=first,
        second=second,
        paired=paired(first.right(), second.right()),
        flipped=tuple(number for number, (one, other) in enumerate(pairs) if one != other),
    )


def _figures_dict(figures: Figures, names: tuple[str, ...]) -> dict[str, Any]:
    truth, predicted = np.nonzero(figures.confusion)
    return {
        "model": figures.contender.name,
        "crops": figures.contender.crops,
        "top1": figures.top1.to_dict(),
        "recorded_top1": figures.recorded_top1,
        "top5": figures.top5.to_dict(),
        "macro_f1": figures.macro_f1,
        "calibration": figures.calibration.to_dict(),
        "classes": [row.to_dict() for row in figures.classes],
        # [true class, predicted class, pictures] of every cell that is not 0: of 1000 classes most are.
        "confusion": [
            [t, p, int(figures.confusion[t, p])] for t, p in zip(truth.tolist(), predicted.tolist(), strict=True)
        ],
        "mistakes": [_mistake_dict(mistake, figures.labels, names) for mistake in figures.mistakes],
    }


def _mistake_dict(mistake: Mistake, labels: tuple[str, ...], names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": names[mistake.picture],
        "truth": labels[mistake.truth],
        "predicted": labels[mistake.predicted],
        "probability": mistake.probability,
        "truth_probability": mistake.truth_probability,
    }


def _comparison_dict(comparison: Comparison, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "first": comparison.first.contender.name,
        "second": comparison.second.contender.name,
        **comparison.paired.to_dict(),
        "flipped": [names[number] for number in comparison.flipped],
    }
