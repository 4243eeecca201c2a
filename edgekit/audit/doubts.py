"""Which labels and images are in doubt, by what a network sees in all images: one way for each kind of labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.audit.cross_validation import (
    Features,
    Floats,
    Indexes,
    assign_folds,
    judge_classes,
    judge_distances,
    judge_labels,
    judged_classes,
    principal_components,
)
from edgekit.audit.duplicates import DuplicateGroup
from edgekit.audit.label_issues import LabelIssue, rank_classes, rank_label_sets
from edgekit.audit.outliers import Outlier, rank_outliers
from edgekit.audit.survey import Survey
from edgekit.dataset import ImageSet
from edgekit.errors import listed, quote
from edgekit.evaluate.intervals import wilson_interval

_LEAST_IMAGES = 10  # from which labels and outliers are judged
_MOST_NAMES = 3  # in one note


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """What is in doubt.

    Attributes:
        label_issues: the images whose labels were judged, the most doubtful first.
        outliers: the judged images, the farthest from all classes first.
        unjudged: what was not judged, or not well, and why.
    """

    label_issues: tuple[LabelIssue, ...] = ()
    outliers: tuple[Outlier, ...] = ()
    unjudged: tuple[str, ...] = ()


def find_doubts(
    survey: Survey, duplicates: Sequence[DuplicateGroup], *, seed: int, on_fold: Callable[[], None] = lambda: None
) -> Doubts:
    """Judge the labels of all images, and which of them are outliers.

    Args:
        survey: the images, with features.
        duplicates: copies of an image do not judge each other.
        seed: of the folds.
        on_fold: called after each of at most 5 folds.
    """
    images, features = survey.images, survey.features
    groups = _copies(len(images), duplicates)
    different = len(np.unique(groups))
    if features is None or different < _LEAST_IMAGES:
        few = f"there are fewer than {_LEAST_IMAGES} different images ({different})"
        return Doubts(unjudged=(f"labels and outliers are not judged: {few}",))
    points = principal_components(features)
    if images.label_sets is not None:
        return _doubts_of_label_sets(images, points, groups, seed, on_fold)
    return _doubts_of_classes(images, points, groups, seed, on_fold)


def _doubts_of_classes(
    images: ImageSet, points: Features, groups: Indexes, seed: int, on_fold: Callable[[], None]
) -> Doubts:
    labels = np.array(images.labels, np.int64)
    folds = assign_folds(groups, labels, seed=seed)
    if not images.classes:
        return _distances_only(points, folds, on_fold, "labels are not judged: the images have none")
    judged = judged_classes(labels, folds, classes=len(images.classes))
    if judged.sum() < 2:
        note = "labels are not judged: fewer than two classes have two different images or more"
        return _distances_only(points, folds, on_fold, note)
    chosen = np.flatnonzero(judged[labels])
    judgment = judge_classes(
        points[chosen], labels[chosen], folds[chosen], classes=len(images.classes), on_fold=on_fold
    )
    lonely = [quote(images.classes[c]) for c in np.unique(labels[~judged[labels]])]
    note = f"classes with a single image (copies count once) are not judged: {listed(lonely, most=_MOST_NAMES)}"
    notes = [note] if lonely else []
    return Doubts(
        label_issues=tuple(rank_classes(judgment.probabilities, labels[chosen], chosen)),
        outliers=tuple(rank_outliers(judgment.distances, chosen)),
        unjudged=(*notes, *_weak_features(judgment.probabilities, labels[chosen])),
    )


def _weak_features(probabilities: Floats, labels: Indexes) -> list[str]:
    """A note if the features tell the classes apart no better than the name of the largest class does."""
    right, largest = int((probabilities.argmax(axis=1) == labels).sum()), int(np.bincount(labels).max())
    if wilson_interval(right, len(labels)).low * len(labels) > largest:
        return []
    return [
        f"the model hardly sees the classes: it finds the given label of {right} of {len(labels)} images, and the "
        f"largest class has {largest}; most suspicious labels may be right"
    ]


def _doubts_of_label_sets(
    images: ImageSet, points: Features, groups: Indexes, seed: int, on_fold: Callable[[], None]
) -> Doubts:
    truth = np.asarray(images.truth(), np.bool_)
    _, kind = np.unique(truth, axis=0, return_inverse=True)
    folds = assign_folds(groups, kind.reshape(-1), seed=seed)
    if not (truth.any(axis=0) & ~truth.all(axis=0)).any():
        note = "labels are not judged: there is none that some images have and others do not"
        return _distances_only(points, folds, on_fold, note)
    judgment = judge_labels(points, truth, folds, on_fold=on_fold)
    everyone = np.arange(len(images))
    return Doubts(
        label_issues=tuple(rank_label_sets(judgment.probabilities, truth, everyone)),
        outliers=tuple(rank_outliers(judgment.distances, everyone)),
    )


def _distances_only(points: Features, folds: Indexes, on_fold: Callable[[], None], note: str) -> Doubts:
    distances = judge_distances(points, folds, on_fold=on_fold)
    return Doubts(outliers=tuple(rank_outliers(distances, np.arange(len(points)))), unjudged=(note,))


def _copies(count: int, duplicates: Sequence[DuplicateGroup]) -> Indexes:
    """A number for each image, equal for copies of one."""
    copies = np.arange(count)
    for group in sorted(duplicates, key=lambda group: group.is_exact):  # near groups contain exact ones
        if not group.is_cropped:  # crops may be chained, up to a whole class of much alike images
            members = list(group.images)
            copies[members] = copies[members[0]]
    return copies
