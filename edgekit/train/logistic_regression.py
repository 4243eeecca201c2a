"""Logistic regression on a matrix of features, solved to its optimum.

Of classes that exclude each other, it is multinomial; of several labels per image, one binary regression per class.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.train.lbfgs import minimize

# Without it, the bias of a class that has no image, or of a label that all images have, would have no optimum.
_BIAS_PENALTY = 1e-6
_BLOCK = 2**24  # logits that are computed at once
_LARGE = 2**22  # features from which on float32 is used, in half the time: probabilities within 1e-4 of the optimum
_SMALL = 2**20  # coordinates below which threads wait for each other: on busy cores, 460 s instead of 2


class Basis(NamedTuple):
    """Coordinates in which the regression is well conditioned: the principal axes of the scaled features.

    A rotation does not change the penalty, so the regression on the coordinates is that on the scaled features.

    Attributes:
        mean: (features,) of the features.
        axes: (features, dimensions): scale and rotation.
        variances: (dimensions,) of the coordinates.
    """

    mean: Tensor
    axes: Tensor
    variances: Tensor

    def coordinates(self, features: Tensor) -> Tensor:
        """The coordinates of features (rows, features), and a column of ones: (rows, dimensions + 1)."""
        centered = features.to(self.axes.dtype) - self.mean
        return F.pad(centered @ self.axes, (0, 1), value=1.0)

    def layer(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """The linear layer that computes from features what `parameters` compute from coordinates.

        Args:
            parameters: (dimensions + 1, classes).

        Returns:
            Weight (classes, features) and bias (classes,).
        """
        weight = (self.axes @ parameters[:-1]).T
        return weight, parameters[-1] - weight @ self.mean


def principal_basis(features: Tensor, *, standardize: bool) -> Basis:
    """The basis of features; in its coordinates, their variances sum up to their number.

    Args:
        features: float32 (rows, features).
        standardize: divide each feature by its standard deviation; else all by the same number, so that features that
            vary much weigh more.
    """
    features = features if features.numel() >= _LARGE else features.double()
    deviation, mean = torch.std_mean(features, 0, correction=0)
    varies = deviation > 1e-6 * deviation.max()
    divisor = deviation if standardize else (deviation.square().sum() / varies.sum().clamp(min=1)).sqrt()
    scale = torch.where(varies, 1 / divisor, 0.0)
    scaled = (features - mean) * scale
    # Fewer rows than features span a smaller space.
    span = torch.linalg.qr(scaled.T).Q if len(scaled) < len(scale) else None
    reduced = scaled if span is None else scaled @ span
    variances, rotation = torch.linalg.eigh((reduced.T @ reduced).double() / len(reduced))
    rotation = rotation.to(features.dtype)
    axes = scale[:, None] * (rotation if span is None else span @ rotation)
    return Basis(mean, axes, variances.clamp(min=0).to(features.dtype))


class Regressions:
    """Several regressions on the same rows, which each weights differently.

    The loss of a regression is the weighted sum of the cross-entropies of its rows (with several labels, of the sums of
    the binary cross-entropies of their classes), plus penalty / 2 times the sum of the squared weights.

    Args:
        coordinates: (rows, dimensions + 1), as by `Basis.coordinates`.
        variances: (dimensions,), as in `Basis`.
        targets: int64 (rows,) class indexes; with several labels (rows, classes), 1 for each label of a row.
        classes: number of classes.
        row_weights: (regressions, rows), which sum up to 1 for each regression.
    """

    def __init__(
        self, coordinates: Tensor, variances: Tensor, targets: Tensor, *, classes: int, row_weights: Tensor
    ) -> None:
        self.coordinates, self.variances = coordinates, variances
        self.multi_label = targets.dim() == 2
        self.targets = (targets if self.multi_label else F.one_hot(targets, classes)).to(coordinates.dtype)
        self.row_weights = row_weights.to(coordinates.dtype).T.contiguous()

    def start(self) -> Tensor:
        """Parameters to start from: zeros (regressions, dimensions + 1, classes)."""
        shape = (self.row_weights.shape[1], self.coordinates.shape[1], self.targets.shape[1])
        return self.coordinates.new_zeros(shape)

    def solve(self, start: Tensor, *, penalty: float, tolerance: float) -> Tensor:
        """The parameters of all regressions at their optimum.

        Args:
            start: parameters to start from, as by `start`; those of a similar penalty save time.
            penalty: of the squared weights, above 0.
            tolerance: how far a loss may lie above the optimum, approximately.

        Returns:
            (regressions, dimensions + 1, classes).
        """
        ridge = F.pad(torch.full_like(self.variances, penalty), (0, 1), value=_BIAS_PENALTY)
        # The second derivative of a logit's loss is p (1 - p) times the square of the coordinate.
        share = 0.5 if self.multi_label else 1 / max(self.targets.shape[1], 2)
        curvature = F.pad(self.variances, (0, 1), value=1.0) * (share * (1 - share)) + ridge
        with _one_thread() if self.coordinates.numel() < _SMALL else nullcontext():
            parameters = minimize(
                lambda flat: self._loss_and_gradient(flat.view_as(start), ridge),
                start.flatten(1),
                inverse_curvature=(1 / curvature)[:, None].expand(start.shape[1:]).flatten(),
                tolerance=tolerance,
            )
        return parameters.view_as(start)

    def _loss_and_gradient(self, parameters: Tensor, ridge: Tensor) -> tuple[Tensor, Tensor]:
        regressions, dimensions, classes = parameters.shape
        columns = parameters.transpose(0, 1).reshape(dimensions, -1)
        penalized = ridge[:, None] * parameters
        loss, gradient = (penalized * parameters).sum((1, 2)) / 2, torch.zeros_like(columns)
        block = max(_BLOCK // columns.shape[1], 1)
        parts = (torch.split(tensor, block) for tensor in (self.coordinates, self.targets, self.row_weights))
        for rows, targets, weights in zip(*parts, strict=True):
            logits = (rows @ columns).view(-1, regressions, classes)
            losses, residuals = self._losses(logits, targets[:, None])
            loss = loss + (losses * weights).sum(0)
            gradient += rows.T @ (residuals * weights[..., None]).flatten(1)
        gradient = gradient.view(dimensions, regressions, classes).transpose(0, 1) + penalized
        return loss, gradient.flatten(1)

    def _losses(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The losses (rows, regressions), and their derivatives by the logits (rows, regressions, classes)."""
        if self.multi_label:
            losses = F.binary_cross_entropy_with_logits(logits, targets.expand_as(logits), reduction="none").sum(2)
            return losses, torch.sigmoid(logits) - targets
        log_shares = F.log_softmax(logits, 2)
        return -(log_shares * targets).sum(2), log_shares.exp() - targets


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
