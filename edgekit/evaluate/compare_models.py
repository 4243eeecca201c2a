"""Comparison of two models on the same images, from image file to label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.dataset import ImageSet
from edgekit.errors import DataError, ImageError, QualityGateError, check_types
from edgekit.labels import match_labels
from edgekit.preprocess.scores import Score
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.prediction import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """An image for which two models predict different labels.

    Attributes:
        image: name of the image.
        first: prediction of the first model.
        second: prediction of the second model.
    """

    image: str
    first: Score
    second: Score

    def to_dict(self) -> dict[str, Any]:
        """The image's name, and each model's label and probability, as JSON-ready values."""
        scores = (("first", self.first), ("second", self.second))
        return {"image": self.image} | {
            model: {"label": score.label, "probability": score.probability} for model, score in scores
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSetFlip:
    """An image for which two multi-label models predict different labels.

    Attributes:
        image: name of the image.
        first: labels of the first model, most probable first; may be empty.
        second: labels of the second model.
    """

    image: str
    first: tuple[Score, ...]
    second: tuple[Score, ...]

    def to_dict(self) -> dict[str, Any]:
        """The image's name, and each model's labels with their probabilities, as JSON-ready values."""
        scores = (("first", self.first), ("second", self.second))
        return {"image": self.image} | {
            model: [{"label": score.label, "probability": score.probability} for score in labels]
            for model, labels in scores
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelComparison:
    """How two models differ on the same images.

    Attributes:
        images: number of images that both models predicted.
        flips: images for which the predicted labels differ; of multi-label models, the sets of labels.
        probability_difference: largest absolute difference of a probability, over all classes and images.
        most_different: name of the image that has it.
        unreadable: names of the images that could not be read and were left out.
    """

    images: int
    flips: tuple[Flip | LabelSetFlip, ...]
    probability_difference: float
    most_different: str
    unreadable: tuple[str, ...]

    @property
    def agreement(self) -> float:
        """Share of the images for which both models predict the same label, 0 to 1."""
        return 1 - len(self.flips) / self.images

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON-ready values."""
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
    """Compare the predictions of two models, each with its own preprocessing.

    Labels are matched by name, in any order.

    Args:
        first: one model.
        second: the other model.
        images: the images; their classes do not matter.
        on_image: called after each image.

    Raises:
        DataError: the models have different labels or tasks, or no image can be read.

    Example:
        >>> from edgekit import Classifier, dataset
        >>> from edgekit.evaluate import compare_models
        >>> fast, exact = Classifier("model.onnx"), Classifier("model.onnx", exact=True)
        >>> comparison = compare_models(fast, exact, dataset.read("photos", "val"))
        >>> comparison.agreement > 0.95
        True
    """
    check_types(Classifier, first=first, second=second)
    check_types(ImageSet, images=images)
    if first.info.task != second.info.task:
        raise DataError(f"only models of the same task can be compared (got {first.info.task} and {second.info.task})")
    second_index = np.array(match_labels(first.info.labels, second.info.labels))
    flips: list[Flip | LabelSetFlip] = []
    unreadable = []
    largest, most_different, count = 0.0, "", 0
    results = (classifier.predict_many(images.sources, top=1) for classifier in (first, second))
    for name, ours, theirs in zip(images.names, *results, strict=True):
        on_image()
        if isinstance(ours, ImageError) or isinstance(theirs, ImageError):
            unreadable.append(name)
            continue
        count += 1
        difference = float(np.abs(ours.probabilities - theirs.probabilities[second_index]).max())
        if difference >= largest:
            largest, most_different = difference, name
        if {int(second_index[score.index]) for score in ours.labels} != {score.index for score in theirs.labels}:
            flips.append(_flip(name, ours, theirs))
    if not count:
        raise DataError(f"none of the {len(images)} images can be read")
    return ModelComparison(
        images=count,
        flips=tuple(flips),
        probability_difference=largest,
        most_different=most_different,
        unreadable=tuple(unreadable),
    )


def _flip(name: str, ours: Prediction, theirs: Prediction) -> Flip | LabelSetFlip:
    if ours.assigned is None:
        return Flip(image=name, first=ours.top[0], second=theirs.top[0])
    return LabelSetFlip(image=name, first=ours.labels, second=theirs.labels)


def require_agreement(comparison: ModelComparison, *, tolerance: float, max_difference: float | None = None) -> None:
    """Check that two models agree closely enough.

    Args:
        comparison: how the models differ.
        tolerance: largest share of images with different labels, 0 to 1.
        max_difference: largest absolute difference of a probability, 0 to 1; unlimited by default.

    Raises:
        QualityGateError: the models differ by more.

    Example:
        >>> from edgekit import Classifier, dataset
        >>> from edgekit.evaluate import compare_models, require_agreement
        >>> fast, exact = Classifier("model.onnx"), Classifier("model.onnx", exact=True)
        >>> comparison = compare_models(fast, exact, dataset.read("photos", "val"))
        >>> require_agreement(comparison, tolerance=0.05)
    """
    check_types(ModelComparison, comparison=comparison)
    check_types(float | int, tolerance=tolerance)
    check_types(float | int | None, max_difference=max_difference)
    flipped, images = len(comparison.flips), comparison.images
    if flipped > tolerance * images:
        raise QualityGateError(
            f"{flipped} of {images} labels differ ({flipped / images:.4f}), more than `tolerance` ({tolerance:g})"
        )
    if max_difference is not None and comparison.probability_difference > max_difference:
        raise QualityGateError(
            f"a probability differs by {comparison.probability_difference:.3g} ({comparison.most_different}), more "
            f"than `max_difference` ({max_difference:g})"
        )
