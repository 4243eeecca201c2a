"""Two models on the same pictures, from file to label, and where they differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.dataset import PictureSet
from edgekit.errors import DataError, ImageError, QualityGateError
from edgekit.image.source import ImageSource
from edgekit.labels import match_labels
from edgekit.preprocess.scores import Score
from edgekit.runtime.classifier import Classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A picture on which the two say different labels, each with its own probability."""

    picture: str
    first: Score
    second: Score

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        sides = (("first", self.first), ("second", self.second))
        return {"picture": self.picture} | {
            side: {"label": score.label, "probability": score.probability} for side, score in sides
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How two models differ on the same pictures.

    pictures: how many both answered. flips: those on which the labels differ. probability_difference: the largest,
    of any class of any picture, which is `most_different`. unreadable: pictures that neither was asked about.
    """

    pictures: int
    flips: tuple[Flip, ...]
    probability_difference: float
    most_different: str
    unreadable: tuple[str, ...]

    @property
    def agreement(self) -> float:
        """Share of the pictures with the same label."""
        return 1 - len(self.flips) / self.pictures

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        return {
            "pictures": self.pictures,
            "agreement": self.agreement,
            "probability_difference": self.probability_difference,
            "most_different": self.most_different,
            "flips": [flip.to_dict() for flip in self.flips],
            "unreadable": list(self.unreadable),
        }


def verify(
    first: Classifier, second: Classifier, pictures: PictureSet, *, on_picture: Callable[[], None] = lambda: None
) -> Verification:
    """Both answers to every picture, each by its own preprocessing; labels are matched by name, in any order.

    on_picture is called after each. Raises DataError for models with different labels, and where no picture can be
    read.
    """
    order = np.array(match_labels(first.info.labels, second.info.labels))
    flips, unreadable = [], []
    largest, most_different, count = 0.0, "", 0
    for name, source in zip(pictures.names, pictures.sources, strict=True):
        try:
            ours, theirs = (_answer(classifier, source) for classifier in (first, second))
        except ImageError:
            unreadable.append(name)
            continue
        finally:
            on_picture()
        count += 1
        difference = float(np.abs(ours.probabilities - theirs.probabilities[order]).max())
        if difference >= largest:
            largest, most_different = difference, name
        if order[ours.top.index] != theirs.top.index:
            flips.append(Flip(picture=name, first=ours.top, second=theirs.top))
    if not count:
        raise DataError(f"none of {len(pictures)} pictures can be read")
    return Verification(
        pictures=count,
        flips=tuple(flips),
        probability_difference=largest,
        most_different=most_different,
        unreadable=tuple(unreadable),
    )


def require_alike(verification: Verification, *, tolerance: float, max_difference: float | None = None) -> None:
    """Raises QualityGateError where more than `tolerance` of the pictures flipped.

    tolerance: a share, 0 to 1. max_difference: a largest difference of probabilities that is allowed as well.
    """
    flipped, pictures = len(verification.flips), verification.pictures
    if flipped > tolerance * pictures:
        raise QualityGateError(
            f"{flipped} of {pictures} labels differ ({flipped / pictures:.4f}), more than --tolerance {tolerance:g}"
        )
    if max_difference is not None and verification.probability_difference > max_difference:
        raise QualityGateError(
            f"a probability differs by {verification.probability_difference:.3g} ({verification.most_different}), more "
            f"than --max-difference {max_difference:g}"
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    top: Score
    probabilities: npt.NDArray[np.float64]


def _answer(classifier: Classifier, source: ImageSource) -> _Answer:
    prediction = classifier.predict(source, top=1)
    return _Answer(prediction.top[0], prediction.probabilities)
