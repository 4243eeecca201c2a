"""What the other images make of each one: class probabilities and distances by cross-validated discriminant analysis.

The features are a network's logits: a linear map of what its last layer sees. They are reduced to principal components,
which needs no labels. The classes are Gaussians with a common covariance, shrunken toward that of equal variances
(linear discriminant analysis; Friedman 1989, "Regularized Discriminant Analysis"): fitted in closed form, and hardly
moved by a few wrong labels. Every image is judged by a fit to the other folds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgekit.evaluate.temperature import fit_temperature
from edgekit.preprocess.scores import sigmoid, softmax

Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.int64]

FOLDS = 5
# With 3% of the labels of 10,000 CIFAR-10 images flipped, 256 components find 76.7% of the flips in the first 5% of the
# list (mean of three draws; 1.6 s), 512 find 77.8% (5 s), and all 1,000 find 79.4% (23 s). A logistic regression of
# scikit-learn on all 1,000 finds 78.4% (20 s).
_COMPONENTS = 512
_SHRINKAGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9, 0.98)
_ENOUGH_HELD_OUT = 2000  # images that choose among the shrinkages
_DISTANCE_SHRINKAGE = 0.1  # where no log loss can choose it
_LEAST_SCORE = 1e4  # below the best class's; classes without images have minus infinity
_NEWTON_STEPS, _RIDGE = 20, 1e-3
_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgment:
    """How each image looks to a model of the other images.

    Attributes:
        probabilities: float64 (N, classes), calibrated: of each class, or for multi-label of each label.
        distances: float64 (N,), how far an image is from every class: for single-label the least squared Mahalanobis
            distance to a class minus that to all images (Ren et al. 2021, arXiv 2106.09022), otherwise the latter.
    """

    probabilities: Floats
    distances: Floats


class _Space(NamedTuple):
    """The principal axes of a covariance."""

    variances: Floats
    axes: Floats

    def shrunken(self, shrinkage: float) -> Floats:
        """The variances, shrunken toward their mean."""
        return np.asarray((1 - shrinkage) * self.variances + shrinkage * self.variances.mean() + _TINY)


def principal_components(features: Features) -> Features:
    """The standardized features in at most 512 dimensions.

    Args:
        features: float32 (N, features).
    """
    scale = features.std(axis=0)
    used = scale > _TINY
    if not used.any():
        return np.zeros((len(features), 1), np.float32)
    standardized = (features[:, used] - features[:, used].mean(axis=0)) / scale[used]
    _, axes = np.linalg.eigh(standardized.T @ standardized)
    return np.asarray(standardized @ axes[:, ::-1][:, : min(_COMPONENTS, max(len(features) - 1, 1))])


def assign_folds(groups: Indexes, labels: Indexes, *, seed: int) -> Indexes:
    """The fold of each image, 0 to 4: copies of an image share one, and every class is spread over as many as it can.

    Args:
        groups: int64 (N,), equal for copies of an image.
        labels: int64 (N,), what to spread; for multi-label any number for each set of labels.
        seed: same seed, same folds.
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(first))
    order = shuffled[np.argsort(labels[first][shuffled], kind="stable")]
    fold = np.empty(len(first), np.int64)
    fold[order] = np.arange(len(order)) % FOLDS
    return np.asarray(fold[group.reshape(-1)])


def judged_classes(labels: Indexes, folds: Indexes, *, classes: int) -> npt.NDArray[np.bool_]:
    """Which classes have images in two folds or more, so that every image of theirs can be judged by others."""
    present = np.zeros((classes, FOLDS), np.bool_)
    present[labels, folds] = True
    return np.asarray(present.sum(axis=1) >= 2)


def judge_classes(
    points: Features, labels: Indexes, folds: Indexes, *, classes: int, on_fold: Callable[[], None] = lambda: None
) -> Judgment:
    """Judge images that have one class each.

    Args:
        points: float32 (N, dimensions), from `principal_components`.
        labels: int64 (N,) class indexes, each in two folds or more.
        folds: int64 (N,).
        classes: number of classes.
        on_fold: called after each fold.
    """
    shrinkage = _best_shrinkage(points, labels, folds, classes)
    scores, distances = np.empty((len(points), classes)), np.empty(len(points))
    for held_out in _held_out(folds):
        fit = _Classes(points[~held_out], labels[~held_out], classes)
        scores[held_out], distances[held_out] = fit.judge(points[held_out], shrinkage)
        on_fold()
    return Judgment(probabilities=_calibrated(scores, labels)[0], distances=distances)


def judge_labels(
    points: Features, truth: npt.NDArray[np.bool_], folds: Indexes, *, on_fold: Callable[[], None] = lambda: None
) -> Judgment:
    """Judge images that have any number of labels: every label by a ridge regression, then a logistic one of its score.

    Args:
        points: float32 (N, dimensions), from `principal_components`.
        truth: bool (N, labels), which labels each image has.
        folds: int64 (N,).
        on_fold: called after each fold.
    """
    by_shrinkage = [np.empty(truth.shape) for _ in _SHRINKAGES]
    distances = np.empty(len(points))
    for held_out in _held_out(folds):
        train, tested = points[~held_out].astype(np.float64), points[held_out].astype(np.float64)
        mean, share = train.mean(axis=0), truth[~held_out].mean(axis=0)
        space = _space(train - mean)
        slopes = space.axes.T @ ((train - mean).T @ (truth[~held_out] - share)) / len(train)
        for scores, shrinkage in zip(by_shrinkage, _SHRINKAGES, strict=True):
            scores[held_out] = (tested - mean) @ space.axes @ (slopes / space.shrunken(shrinkage)[:, None])
        distances[held_out] = _distance(tested - mean, space, _DISTANCE_SHRINKAGE)
        on_fold()
    fits = [
        np.stack([_logistic(column, label) for column, label in zip(s.T, truth.T, strict=True)], axis=1)
        for s in by_shrinkage
    ]
    losses = [-np.log(np.maximum(np.where(truth, fit, 1 - fit), _TINY)).mean() for fit in fits]
    return Judgment(probabilities=fits[int(np.argmin(losses))], distances=distances)


def judge_distances(points: Features, folds: Indexes, *, on_fold: Callable[[], None] = lambda: None) -> Floats:
    """The squared Mahalanobis distance of each image from all others, where labels cannot be judged: float64 (N,).

    Args:
        points: float32 (N, dimensions), from `principal_components`.
        folds: int64 (N,).
        on_fold: called after each fold.
    """
    distances = np.empty(len(points))
    for held_out in _held_out(folds):
        train = points[~held_out].astype(np.float64)
        mean = train.mean(axis=0)
        distances[held_out] = _distance(points[held_out] - mean, _space(train - mean), _DISTANCE_SHRINKAGE)
        on_fold()
    return distances


class _Classes:
    """Gaussian classes with a common covariance."""

    def __init__(self, points: Features, labels: Indexes, classes: int) -> None:
        wide = points.astype(np.float64)
        counts = np.bincount(labels, minlength=classes)
        sums = np.zeros((classes, wide.shape[1]))
        np.add.at(sums, labels, wide)
        self._means = sums / np.maximum(counts, 1)[:, None]
        with np.errstate(divide="ignore"):
            self._log_priors = np.log(counts / counts.sum())  # minus infinity: no image of the class
        self._mean = wide.mean(axis=0)
        self._within, self._total = _space(wide - self._means[labels]), _space(wide - self._mean)

    def judge(self, points: Features, shrinkage: float) -> tuple[Floats, Floats]:
        """The logarithms of the classes' densities, and the relative distances."""
        variances = self._within.shrunken(shrinkage)
        centers = (self._means - self._mean) @ self._within.axes
        placed = (points - self._mean) @ self._within.axes
        scaled = centers / variances
        squares = (placed**2 / variances).sum(axis=1)[:, None] - 2 * placed @ scaled.T + (centers * scaled).sum(axis=1)
        nearest = np.where(np.isfinite(self._log_priors), squares, np.inf).min(axis=1)
        return self._log_priors - squares / 2, nearest - _distance(points - self._mean, self._total, shrinkage)


def _best_shrinkage(points: Features, labels: Indexes, folds: Indexes, classes: int) -> float:
    """The shrinkage with the least log loss of enough held-out images, each with the temperature that suits it."""
    judged = np.zeros(len(points), np.bool_)
    scores: list[list[Floats]] = [[] for _ in _SHRINKAGES]
    for held_out in _held_out(folds):
        fit = _Classes(points[~held_out], labels[~held_out], classes)
        for of_shrinkage, shrinkage in zip(scores, _SHRINKAGES, strict=True):
            of_shrinkage.append(fit.judge(points[held_out], shrinkage)[0])
        judged |= held_out
        if judged.sum() >= _ENOUGH_HELD_OUT:
            break
    order = np.concatenate([np.flatnonzero(h) for h in _held_out(folds) if judged[h].all()])
    losses = [_calibrated(np.concatenate(of_shrinkage), labels[order])[1] for of_shrinkage in scores]
    return _SHRINKAGES[int(np.argmin(losses))]


def _held_out(folds: Indexes) -> Iterator[npt.NDArray[np.bool_]]:
    """Which images each fold holds out; folds that no image is in are left out."""
    for fold in np.unique(folds):
        yield folds == fold


def _space(centered: Floats) -> _Space:
    variances, axes = np.linalg.eigh(centered.T @ centered / len(centered))
    return _Space(np.maximum(variances, 0), axes)


def _distance(centered: Floats, space: _Space, shrinkage: float) -> Floats:
    """The squared Mahalanobis distance from the mean."""
    return np.asarray(((centered @ space.axes) ** 2 / space.shrunken(shrinkage)).sum(axis=1))


def _calibrated(scores: Floats, labels: Indexes) -> tuple[Floats, float]:
    """Probabilities at the temperature that suits the scores, and their mean negative log-likelihood."""
    finite = np.maximum(scores, scores.max(axis=1, keepdims=True) - _LEAST_SCORE)
    rows = np.arange(len(labels))
    probabilities = softmax(finite / fit_temperature(finite, finite[rows, labels]))
    return probabilities, float(-np.log(np.maximum(probabilities[rows, labels], _TINY)).mean())


def _logistic(scores: Floats, label: npt.NDArray[np.bool_]) -> Floats:
    """Probabilities of a label from its scores: Platt 1999, with his targets, by Newton's method."""
    positives, negatives = int(label.sum()), int((~label).sum())
    targets = np.where(label, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    design = np.stack([scores / max(float(scores.std()), _TINY), np.ones(len(scores))], axis=1)
    weights = np.array([0.0, np.log((positives + 1) / (negatives + 1))])
    for _ in range(_NEWTON_STEPS):
        probability = sigmoid(design @ weights)
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design + _RIDGE * np.eye(2)
        weights = weights + np.linalg.solve(curvature, design.T @ (targets - probability) - _RIDGE * weights)
    return sigmoid(design @ weights)
