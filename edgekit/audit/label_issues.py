"""Suspicious labels, by confident learning (Northcutt, Jiang and Chuang 2021, arXiv 1911.00068).

A label is suspicious if the image confidently looks like another class: if that class is more probable, and at least as
probable as it is on average for the images that carry its label. All images are ranked by the probability of their own
label, which on CIFAR-10 with 3% of the labels flipped finds more of the flips than the margin to the next class.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgekit.audit.cross_validation import Floats, Indexes


class LabelIssue(NamedTuple):
    """How much an image's labels are in doubt.

    Attributes:
        image: index of the image.
        labels: class indexes of its label, or of its labels.
        likely: class indexes of what other images suggest in their place; may be the same.
        probability: of its label; for multi-label, that the label in question is right; 0 to 1.
        likely_probability: of what is suggested, 0 to 1.
        is_suspicious: whether confident learning disputes the label.
    """

    image: int
    labels: tuple[int, ...]
    likely: tuple[int, ...]
    probability: float
    likely_probability: float
    is_suspicious: bool


def rank_classes(probabilities: Floats, labels: Indexes, images: Indexes) -> list[LabelIssue]:
    """Rank images that have one class each, the most doubtful first.

    Args:
        probabilities: float64 (N, classes), cross-validated and calibrated.
        labels: int64 (N,) class indexes.
        images: int64 (N,), what the issues call each image.
    """
    rows, classes = np.arange(len(labels)), probabilities.shape[1]
    own = probabilities[rows, labels]
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    usual = np.bincount(labels, weights=own, minlength=classes) / counts
    usual[np.bincount(labels, minlength=classes) == 0] = np.inf
    confident = np.where(probabilities >= usual, probabilities, -1.0)
    disputed = (confident.max(axis=1) > own) & (confident.argmax(axis=1) != labels)
    likely = np.where(disputed, confident.argmax(axis=1), probabilities.argmax(axis=1))
    return [
        LabelIssue(
            image=int(images[n]),
            labels=(int(labels[n]),),
            likely=(int(likely[n]),),
            probability=float(own[n]),
            likely_probability=float(probabilities[n, likely[n]]),
            is_suspicious=bool(disputed[n]),
        )
        for n in np.argsort(own, kind="stable").tolist()
    ]


def rank_label_sets(probabilities: Floats, truth: npt.NDArray[np.bool_], images: Indexes) -> list[LabelIssue]:
    """Rank images that have any number of labels by their most doubtful one, which is missing or wrong.

    As in Thyagarajan et al. 2022, arXiv 2211.13895, every label is a question of its own with two classes.

    Args:
        probabilities: float64 (N, labels), cross-validated and calibrated.
        truth: bool (N, labels), which labels each image has.
        images: int64 (N,), what the issues call each image.
    """
    right = np.where(truth, probabilities, 1 - probabilities)
    positives, negatives = truth.sum(axis=0), (~truth).sum(axis=0)
    usual_present = np.where(truth, probabilities, 0).sum(axis=0) / np.maximum(positives, 1)
    usual_absent = np.where(truth, 0, 1 - probabilities).sum(axis=0) / np.maximum(negatives, 1)
    judged = (positives > 0) & (negatives > 0)
    disputed = np.where(truth, 1 - probabilities >= usual_absent, probabilities >= usual_present) & judged
    disputed &= right < 1 / 2
    order = np.where(judged, right, np.inf)
    doubtful = order.argmin(axis=1)
    rows = np.arange(len(truth))
    least, suspicious = order[rows, doubtful], disputed[rows, doubtful]
    issues = []
    for n in np.argsort(least, kind="stable").tolist():
        labels = tuple(np.flatnonzero(truth[n]).tolist())
        changed = tuple(sorted(set(labels) ^ {int(doubtful[n])})) if least[n] < 1 / 2 else labels
        value = float(least[n])
        issues.append(LabelIssue(int(images[n]), labels, changed, value, max(value, 1 - value), bool(suspicious[n])))
    return issues
