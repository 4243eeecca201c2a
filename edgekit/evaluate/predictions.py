"""What models answer for labelled pictures, each picture read as an application would read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.dataset import PictureSet, Unreadable
from edgekit.errors import DataError, ImageError
from edgekit.evaluate.accuracy import Accuracy, matched_labels
from edgekit.runtime.bulk import predict_many
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.prediction import Prediction


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """One of the models that are compared, looking at pictures by one crop plan.

    name: unique among them. path: of the model file.
    """

    name: str
    path: Path
    classifier: Classifier
    crops: str = "center"


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What all contenders answered for the same pictures.

    pictures: those that every contender could read. accuracies: one for each contender, rows in the pictures' order.
    """

    contenders: tuple[Contender, ...]
    pictures: PictureSet
    accuracies: tuple[Accuracy, ...]
    unreadable: tuple[Unreadable, ...]


def answer(
    contenders: Sequence[Contender],
    pictures: PictureSet,
    *,
    synonyms: Mapping[str, str] | None = None,
    on_picture: Callable[[], None] = lambda: None,
) -> Answers:
    """Ask every contender about every picture; a picture that cannot be read is set aside for all of them.

    synonyms: the model's label for a class of the pictures, where they differ. on_picture is called after each picture
    of each contender. Raises DataError for classes that a model does not have, or where no picture can be read.
    """
    truths = [matched_labels(pictures, c.classifier.info.labels, synonyms=synonyms) for c in contenders]
    given = [_all_answers(contender, pictures, on_picture) for contender in contenders]
    unreadable = _unreadable(pictures, given)
    readable = [number for number in range(len(pictures)) if number not in unreadable]
    if not readable:
        raise DataError(f"none of the {len(pictures)} pictures can be read; the first: {unreadable[0].reason}")
    accuracies = [
        Accuracy(
            truth[readable], np.stack([a.probabilities for n in readable if isinstance(a := answers[n], Prediction)])
        )
        for truth, answers in zip(truths, given, strict=True)
    ]
    return Answers(tuple(contenders), pictures.subset(readable), tuple(accuracies), tuple(unreadable.values()))


def _all_answers(
    contender: Contender, pictures: PictureSet, on_picture: Callable[[], None]
) -> list[Prediction | ImageError]:
    answers = []
    for one in predicted(contender, pictures):
        answers.append(one)
        on_picture()
    return answers


def predicted(contender: Contender, pictures: PictureSet) -> Iterator[Prediction | ImageError]:
    """What a contender says of each picture, in order: bulk prediction, and all that an evaluation is to cost."""
    return predict_many(contender.classifier, pictures.sources, top=1, plan=contender.crops)


def _unreadable(pictures: PictureSet, given: Sequence[Sequence[Prediction | ImageError]]) -> dict[int, Unreadable]:
    """By the picture's number, the first reason that any contender gave."""
    unreadable: dict[int, Unreadable] = {}
    for answers in given:
        for number, one in enumerate(answers):
            if isinstance(one, ImageError):
                unreadable.setdefault(number, Unreadable(pictures.names[number], str(one)))
    return dict(sorted(unreadable.items()))
