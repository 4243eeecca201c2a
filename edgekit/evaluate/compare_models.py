"""Two models on the same images, from file to label, and where they differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.dataset import ImageSet
from edgekit.errors import DataError, ImageError, QualityGateError
from edgekit.labels import match_labels
from edgekit.preprocess.scores import Score
from edgekit.runtime.classifier import Classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """An image for which the two models predict different labels, each with its own probability."""

    image: str
    first: Score
    second: Score

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        scores = (("first", self.first), ("second", self.second))
        return {"image": self.image} | {
            model: {"label": score.label, "probability": score.probability} for model, score in scores
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelComparison:
    """How two models differ on the same images.

    images: how many both predicted. flips: those for which the labels differ. probability_difference: the largest,
    of any class of any image, which is `most_different`. unreadable: images that were left out.
    """

    images: int
    flips: tuple[Flip, ...]
    probability_difference: float
    most_different: str
    unreadable: tuple[str, ...]

    @property
    def agreement(self) -> float:
        """Share of the images with the same label."""
        return 1 - len(self.flips) / self.images

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        return {
            "images": self.images,
            "agreement": self.agreement,
            "probability_difference": self.probability_difference,
            "most_different": self.most_different,
            "flips": [flip.to_dict() for flip in self.flips],
            "unreadable": list(self.unreadable),
        }


def compare_models(
    first: Classifier, second: Classifier, images: ImageSet, *, on_image: Callable[[], None] = lambda: None
) -> ModelComparison:
    """Both predictions for every image, each by its own preprocessing; labels are matched by name, in any order.

    on_image is called after each. Raises DataError for models with different labels, and if no image can be read.
    """
    second_index = np.array(match_labels(first.info.labels, second.info.labels))
    flips, unreadable = [], []
    largest, most_different, count = 0.0, "", 0
    for name, source in zip(images.names, images.sources, strict=True):
        try:
            ours, theirs = (classifier.predict(source, top=1) for classifier in (first, second))
        except ImageError:
            unreadable.append(name)
            continue
        finally:
            on_image()
        count += 1
        difference = float(np.abs(ours.probabilities - theirs.probabilities[second_index]).max())
        if difference >= largest:
            largest, most_different = difference, name
        if second_index[ours.top[0].index] != theirs.top[0].index:
            flips.append(Flip(image=name, first=ours.top[0], second=theirs.top[0]))
    if not count:
        raise DataError(f"none of {len(images)} images can be read")
    return ModelComparison(
        images=count,
        flips=tuple(flips),
        probability_difference=largest,
        most_different=most_different,
        unreadable=tuple(unreadable),
    )


def require_agreement(comparison: ModelComparison, *, tolerance: float, max_difference: float | None = None) -> None:
    """Raises QualityGateError if the labels of more than `tolerance` of the images differ.

    tolerance: a share, 0 to 1. max_difference: the largest difference of probabilities that is allowed as well.
    """
    flipped, images = len(comparison.flips), comparison.images
    if flipped > tolerance * images:
        raise QualityGateError(
            f"{flipped} of {images} labels differ ({flipped / images:.4f}), more than --tolerance {tolerance:g}"
        )
    if max_difference is not None and comparison.probability_difference > max_difference:
        raise QualityGateError(
            f"a probability differs by {comparison.probability_difference:.3g} ({comparison.most_different}), more "
            f"than --max-difference {max_difference:g}"
        )
