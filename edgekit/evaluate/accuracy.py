"""Measured accuracy, from picture file to label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.dataset import PictureSet
from edgekit.errors import DataError, unknown
from edgekit.preprocess.crops import CropPlan
from edgekit.runtime.classifier import Classifier

_LISTED = 6


@dataclass(frozen=True, slots=True, eq=False)
class Accuracy:
    """What a model answered for labelled pictures.

    truth: (N,) class indexes. probabilities: (N, classes).
    """

    truth: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]

    @property
    def top1(self) -> float:
        """Share of the pictures whose most probable class is the true one."""
        return self.top(1)

    def top(self, k: int) -> float:
        """Share of the pictures whose true class is among the k most probable ones; ties count by class index."""
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :k]
        return float((order == self.truth[:, None]).any(axis=1).mean())

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        return {"pictures": len(self.truth), "top1": self.top1, "top5": self.top(5)}


def measure_accuracy(
    classifier: Classifier,
    pictures: PictureSet,
    *,
    plan: str | int | CropPlan = "center",
    on_picture: Callable[[], None] = lambda: None,
) -> Accuracy:
    """Predict every picture as an application would. on_picture is called after each.

    Classes are matched by name. Raises DataError for a class that the model does not have, ImageError for a picture
    that cannot be read.
    """
    truth = matched_labels(pictures, classifier.info.labels)
    probabilities = []
    for source in pictures.sources:
        probabilities.append(classifier.predict(source, plan=plan).probabilities)
        on_picture()
    return Accuracy(truth, np.stack(probabilities))


def matched_labels(
    pictures: PictureSet, labels: tuple[str, ...], *, synonyms: Mapping[str, str] | None = None
) -> npt.NDArray[np.int64]:
    """The pictures' class indexes among the model's labels, matched by name.

    synonyms: the model's label for a class of the pictures, where their names differ. Raises DataError listing what
    either side has and the other has not.
    """
    if not len(pictures):
        raise DataError("there are no pictures to measure on")
    if pictures.classes == labels and not synonyms:  # said first: ImageNet has two classes called "crane"
        return np.array(pictures.labels, np.int64)
    names = _renamed(pictures.classes, labels, synonyms or {})
    index = {label: number for number, label in enumerate(labels)}
    unknown_names = [name for name in names if name not in index]
    if unknown_names:
        unused = [label for label in labels if label not in names]
        raise DataError(
            f"the pictures have classes that the model does not know: {_listed(unknown_names)}; "
            f"the model has labels that the pictures do not have: {_listed(unused)}; --map OLD=NEW matches two names"
        )
    counts = Counter(labels)
    twice = sorted(name for name in {names[label] for label in pictures.labels} if counts[name] > 1)
    if twice:
        raise DataError(f"the model has several labels {_listed(twice)}, so the pictures cannot be matched by name")
    return np.array([index[names[label]] for label in pictures.labels], np.int64)


def _renamed(classes: tuple[str, ...], labels: tuple[str, ...], synonyms: Mapping[str, str]) -> tuple[str, ...]:
    for old, new in synonyms.items():
        if old not in classes:
            raise DataError(f"--map: {unknown('class of the pictures', old, classes)}")
        if new not in labels:
            raise DataError(f"--map: {unknown('label of the model', new, labels)}")
    return tuple(synonyms.get(name, name) for name in classes)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (", ".join(repr(name) for name in names[:_LISTED]) or "none") + more
