"""Cross-validation of a logistic regression: which penalty, which scale of the features, and whether copies help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.stages import StageProgress, no_progress
from edgekit.train.logistic_regression import Basis, Regressions, principal_basis
from edgekit.train.metrics import correct_images

FOLDS = 5
# From weights that are almost zero to weights that separate the images of any set; four for each power of ten.
PENALTIES = tuple(float(10.0 ** (-step / 4)) for step in range(-8, 17))
DEFAULT_PENALTY = 0.1  # where nothing can be held out; with 20 images a class, 0.3 to 0.001 were chosen
_PATIENCE = 3  # penalties without a lower loss, which changes smoothly; weak ones take longest
_LEAST_DECREASE = 1e-3  # of the loss; less is not worth a search
_TOLERANCE = 3e-5  # of the loss in the folds, where penalties are compared
_FINAL_TOLERANCE = 1e-9  # probabilities within 1e-4 of the optimum's


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One way to fit the head, and how well it predicted the images of folds that it was not fitted to.

    Attributes:
        standardized: whether each feature was divided by its standard deviation, instead of all by the same number.
        copies: whether the features of the copies of the images were used as well.
        penalty: of the squared weights.
        log_loss: mean loss of the held-out images; not a number if nothing could be held out.
        accuracy: share of the held-out images that were predicted correctly, 0 to 1; likewise.
    """

    standardized: bool
    copies: bool
    penalty: float
    log_loss: float
    accuracy: float


class TrainingSet(NamedTuple):
    """What a head is fitted to.

    Attributes:
        views: float32 (images, features) features: of the images, and then of each kind of copy of them.
        labels: int64 (images,) class indexes; with several labels float32 (images, classes).
        classes: number of classes.
        image_weights: float64 (images,) weights of the images.
    """

    views: Sequence[Tensor]
    labels: Tensor
    classes: int
    image_weights: Tensor

    def row_weights(self, used: Tensor, *, copies: bool) -> Tensor:
        """The weights of the rows of all views, which sum up to 1: those of an image are shared by its copies.

        Args:
            used: bool (images,) images to fit to.
            copies: whether copies are used.
        """
        weights = self.image_weights * used
        weights = weights / weights.sum()
        if copies:
            return (weights / len(self.views)).repeat(len(self.views))
        return F.pad(weights, (0, len(weights) * (len(self.views) - 1)))


def stratified_folds(labels: Tensor, *, seed: int) -> npt.NDArray[np.int64]:
    """Assign each image to a fold, so that each class is spread evenly. A copy of an image has the fold of the image.

    The only image of a class belongs to no fold: without it, the class is unknown. An image with several labels counts
    for the rarest of them.

    Args:
        labels: as in `TrainingSet`.
        seed: of the random order.

    Returns:
        int64 (images,): 0 to FOLDS - 1, or -1 for images that are never held out.
    """
    strata = labels.numpy() if labels.dim() == 1 else _rarest_labels(labels.numpy())
    rng = np.random.default_rng(seed)
    folds, start = np.full(len(strata), -1), 0
    for stratum in np.unique(strata):
        images = rng.permutation(np.flatnonzero(strata == stratum))
        if len(images) > 1:
            folds[images] = (start + np.arange(len(images))) % FOLDS  # goes on where the last class ended
            start += len(images)
    return folds


def _rarest_labels(labels: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    counts = np.where(labels > 0, labels.sum(0), np.inf)
    return np.where(labels.any(1), counts.argmin(1), -1)


def cross_validate(
    training: TrainingSet, folds: npt.NDArray[np.int64], *, on_stage: StageProgress = no_progress
) -> list[Trial]:
    """Try penalties, both scales of the features, and fits with and without copies.

    The folds share the mean and the standard deviation of the features, which know no labels.

    Args:
        training: what to fit to.
        folds: as by `stratified_folds`, at least one image in some fold.
        on_stage: called after each penalty.

    Returns:
        The trials; for each scale, penalties decrease until three in a row have not lowered the loss.
    """
    trials: list[Trial] = []
    scales = (True, False)
    for number, standardized in enumerate(scales):
        for trial in _path(training, folds, standardized=standardized):
            trials.append(trial)
            done = number * len(PENALTIES) + PENALTIES.index(trial.penalty) + 1
            on_stage("cross-validation", done, len(scales) * len(PENALTIES))
    return trials


def _path(training: TrainingSet, folds: npt.NDArray[np.int64], *, standardized: bool) -> Iterator[Trial]:
    """Trials from the strongest penalty on, each started from the solution of the one before."""
    held_out = [torch.from_numpy(folds == fold) for fold in np.unique(folds[folds >= 0])]
    kinds = (False, True) if len(training.views) > 1 else (False,)
    weights = torch.stack([training.row_weights(~held, copies=copies) for copies in kinds for held in held_out])
    _, regressions = _regressions(training, weights, standardized=standardized)
    parameters, images = regressions.start(), regressions.coordinates[: len(folds)]
    losses: dict[bool, list[float]] = {copies: [] for copies in kinds}
    for penalty in PENALTIES:
        parameters = regressions.solve(parameters, penalty=penalty, tolerance=_TOLERANCE)
        for copies, solutions in zip(kinds, torch.split(parameters, len(held_out)), strict=True):
            logits = torch.cat([images[held] @ solution for held, solution in zip(held_out, solutions, strict=True)])
            order = torch.cat([held.nonzero()[:, 0] for held in held_out])
            loss, accuracy = scores(logits, training.labels[order], training.image_weights[order])
            losses[copies].append(loss)
            yield Trial(standardized=standardized, copies=copies, penalty=penalty, log_loss=loss, accuracy=accuracy)
        if all(_has_ended(path) for path in losses.values()):
            return


def _has_ended(losses: list[float]) -> bool:
    """Whether the last penalties lowered the loss no further."""
    earlier = losses[:-_PATIENCE]
    return bool(earlier) and min(losses[-_PATIENCE:]) > min(earlier) - _LEAST_DECREASE


def scores(logits: Tensor, labels: Tensor, weights: Tensor) -> tuple[float, float]:
    """Compare predictions of images with their labels.

    Args:
        logits: (images, classes).
        labels: as in `TrainingSet`.
        weights: (images,) of the images, in the loss.

    Returns:
        The mean cross-entropy (with several labels, of images and classes), and the share of images whose prediction is
        correct.
    """
    if labels.dim() == 1:
        losses = F.cross_entropy(logits, labels, reduction="none")
    else:
        losses = F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none").mean(1)
    return float((losses * weights).sum() / weights.sum()), correct_images(logits, labels) / len(labels)


def fitted_layer(training: TrainingSet, trial: Trial) -> tuple[Tensor, Tensor]:
    """Fit the head to all images as a trial did to some.

    Args:
        training: what to fit to.
        trial: how.

    Returns:
        Weight (classes, features) and bias (classes,) of the linear layer.
    """
    every_image = torch.ones(len(training.labels), dtype=torch.bool)
    weights = training.row_weights(every_image, copies=trial.copies)
    basis, regressions = _regressions(training, weights[None], standardized=trial.standardized)
    parameters = regressions.solve(regressions.start(), penalty=trial.penalty, tolerance=_FINAL_TOLERANCE)
    return basis.layer(parameters[0])


def _regressions(training: TrainingSet, row_weights: Tensor, *, standardized: bool) -> tuple[Basis, Regressions]:
    """Regressions on the features of all views, and the basis of their coordinates."""
    features = torch.cat(list(training.views))
    basis = principal_basis(features, standardize=standardized)
    regressions = Regressions(
        basis.coordinates(features),
        basis.variances,
        torch.cat([training.labels] * len(training.views)),
        classes=training.classes,
        row_weights=row_weights,
    )
    return basis, regressions
