"""What is minimized and what is measured: cross-entropy and accuracy, or for multi-label their counterparts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.evaluate.multi_label import MultiLabelAccuracy
from edgekit.preprocess.scores import Task, sigmoid
from edgekit.preprocess.scoring import Scoring
from edgekit.train.loader import Batch


def batch_loss(logits: Tensor, batch: Batch, *, smoothing: float, weights: Tensor | None = None) -> Tensor:
    """The sum of the images' losses; for mixed images, of those with both labels, weighted by their shares.

    The loss of an image is its cross-entropy; of a multi-label image, the mean over the classes of the binary
    cross-entropy. A teacher's predictions decide their share of it.

    Args:
        logits: (N, classes).
        batch: the batch that they belong to.
        smoothing: label smoothing, 0 to below 1: this share of the target is spread evenly over all classes; of a
            multi-label image, over the two outcomes of each class.
        weights: float32 (classes,), factor of the loss of an image with that label; None for 1. Not for multi-label.

    Returns:
        float32 scalar, with gradients.
    """

    def loss(labels: Tensor) -> Tensor:
        values, labels = logits.float(), labels.to(logits.device)
        if labels.dim() == 1 and weights is not None:
            # Not cross_entropy's own weights: with smoothing, they would weigh the classes of the target instead.
            losses = F.cross_entropy(values, labels, label_smoothing=smoothing, reduction="none")
            return (losses * weights.to(logits.device)[labels]).sum()
        if labels.dim() == 1:
            return F.cross_entropy(values, labels, label_smoothing=smoothing, reduction="sum")
        smoothed = labels * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(values, smoothed, reduction="sum") / labels.shape[1]

    total, soft = loss(batch.labels), batch.soft_targets
    if batch.share < 1.0:
        total = batch.share * total + (1 - batch.share) * loss(batch.partner_labels)
    return total if soft is None else (1 - soft.share) * total + soft.share * soft.divergence(logits)


def correct_images(logits: Tensor, labels: Tensor) -> int:
    """The number of images that are predicted correctly; of multi-label images, those with exactly the right labels.

    Args:
        logits: (N, classes).
        labels: as in `Batch`.
    """
    logits = logits.detach().cpu()
    if labels.dim() == 1:
        return int((logits.argmax(1) == labels).sum())
    return int(((logits > 0) == labels.bool()).all(1).sum())


class Collected(NamedTuple):
    """What an evaluation collects. The sum over all processes belongs to all images.

    Attributes:
        figures: the evaluator's own, from which it computes its scores.
        loss_sum: float64 scalar, sum of the losses of the images, without label smoothing.
    """

    figures: Tensor
    loss_sum: Tensor


class Scores(NamedTuple):
    """How good a network is on the validation images; the attributes are those of `EpochResult`."""

    val_loss: float
    val_accuracy: float
    macro_recall: float | None = None
    never_predicted: int | None = None


class Evaluator(ABC):
    """How a network is judged on the validation images: what is collected, and the scores that follow.

    Args:
        classes: number of classes.
        share: int64, indexes of the validation images that this process evaluates, in the order of the batches.
        images: number of validation images of all processes.

    Attributes:
        table_name: of the file with the figures of the classes.
    """

    table_name: ClassVar[str]

    def __init__(self, *, classes: int, share: npt.NDArray[np.int64], images: int) -> None:
        self.classes, self.share, self.images = classes, share, images

    @torch.inference_mode()
    def collect(self, network: nn.Module, batches: Iterable[Batch]) -> Collected:
        """Predict this process's images.

        Args:
            network: maps the inputs of a batch to logits.
            batches: batches to predict.
        """
        device = next(network.parameters()).device
        training = network.training
        network.eval()
        figures, loss_sum, done = self._empty(), torch.zeros((), dtype=torch.float64), 0
        for batch in batches:
            logits, end = network(batch.inputs.to(device)).cpu(), done + len(batch.labels)
            self._add(figures, logits, batch.labels, self.share[done:end])
            loss_sum += batch_loss(logits, batch, smoothing=0)
            done = end
        network.train(training)
        return Collected(figures, loss_sum)

    @abstractmethod
    def scores(self, collected: Collected) -> Scores:
        """The scores, from what all processes collected."""

    @abstractmethod
    def table(self, collected: Collected, classes: tuple[str, ...]) -> list[list[object]]:
        """The rows of the file with the figures of the classes."""

    @abstractmethod
    def confusion(self, collected: Collected) -> Tensor | None:
        """The confusion matrix, int64 (classes, classes); None if images may have several classes."""

    def _mean_loss(self, collected: Collected) -> float:
        return float(collected.loss_sum) / self.images

    @abstractmethod
    def _empty(self) -> Tensor: ...

    @abstractmethod
    def _add(self, figures: Tensor, logits: Tensor, labels: Tensor, indexes: npt.NDArray[np.int64]) -> None: ...


class ConfusionEvaluator(Evaluator):
    """Counts how often each true class (row) was predicted as each class (column): int64 (classes, classes)."""

    table_name = "confusion.csv"

    def scores(self, collected: Collected) -> Scores:
        counts = collected.figures
        correct, images = counts.diagonal(), counts.sum(1)
        present = images > 0
        recalls = correct[present].double() / images[present]
        never_predicted = int((present & (counts.sum(0) == 0)).sum())
        accuracy = int(correct.sum()) / int(images.sum())
        return Scores(self._mean_loss(collected), accuracy, float(recalls.mean()), never_predicted)

    def table(self, collected: Collected, classes: tuple[str, ...]) -> list[list[object]]:
        rows = zip(classes, collected.figures.tolist(), strict=True)
        return [["true \\ predicted", *classes], *([name, *counts] for name, counts in rows)]

    def confusion(self, collected: Collected) -> Tensor:
        return collected.figures

    def _empty(self) -> Tensor:
        return torch.zeros(self.classes, self.classes, dtype=torch.int64)

    def _add(self, figures: Tensor, logits: Tensor, labels: Tensor, indexes: npt.NDArray[np.int64]) -> None:
        cells = torch.bincount(labels * self.classes + logits.argmax(1), minlength=self.classes**2)
        figures += cells.view(self.classes, self.classes)


class RankingEvaluator(Evaluator):
    """Collects logits and labels of every image: float64 (2, images, classes). The score is mean average precision."""

    table_name = "classes.csv"

    def scores(self, collected: Collected) -> Scores:
        return Scores(self._mean_loss(collected), _accuracy(collected).value)

    def table(self, collected: Collected, classes: tuple[str, ...]) -> list[list[object]]:
        rows = [row.to_dict() for row in _accuracy(collected).classes(classes)]
        return [list(rows[0]), *(list(row.values()) for row in rows)]

    def confusion(self, collected: Collected) -> None:
        return None

    def _empty(self) -> Tensor:
        return torch.zeros(2, self.images, self.classes, dtype=torch.float64)

    def _add(self, figures: Tensor, logits: Tensor, labels: Tensor, indexes: npt.NDArray[np.int64]) -> None:
        figures[0, indexes], figures[1, indexes] = logits.double(), labels.double()


def _accuracy(collected: Collected) -> MultiLabelAccuracy:
    """The figures of the images, at thresholds of 0.5."""
    logits, labels = collected.figures.numpy()
    return MultiLabelAccuracy(labels.astype(np.bool_), sigmoid(logits), Scoring(task="multi-label"))


EVALUATORS: Mapping[Task, type[Evaluator]] = {"single-label": ConfusionEvaluator, "multi-label": RankingEvaluator}
