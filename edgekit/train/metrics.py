"""What is minimized and what is measured: cross-entropy and accuracy, or for multi-label their counterparts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.evaluate.multi_label import MultiLabelAccuracy
from edgekit.preprocess.scores import Task, sigmoid
from edgekit.preprocess.scoring import Scoring
from edgekit.train.loader import Batch


def batch_loss(logits: Tensor, batch: Batch, *, smoothing: float) -> Tensor:
    """The sum of the images' losses; for mixed images, of those with both labels, weighted by their shares.

    The loss of an image is its cross-entropy; of a multi-label image, the mean over the classes of the binary
    cross-entropy.

    Args:
        logits: (N, classes).
        batch: the batch that they belong to.
        smoothing: label smoothing, 0 to below 1: this share of the target is spread evenly over all classes; of a
            multi-label image, over the two outcomes of each class.

    Returns:
        float32 scalar, with gradients.
    """

    def loss(labels: Tensor) -> Tensor:
        values, labels = logits.float(), labels.to(logits.device)
        if labels.dim() == 1:
            return F.cross_entropy(values, labels, label_smoothing=smoothing, reduction="sum")
        smoothed = labels * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(values, smoothed, reduction="sum") / labels.shape[1]

    if batch.share == 1.0:
        return loss(batch.labels)
    return batch.share * loss(batch.labels) + (1 - batch.share) * loss(batch.partner_labels)


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


class Evaluator(ABC):
    """How a network is judged on the validation images: what is collected, and the score that follows.

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
    def collect(self, network: nn.Module, batches: Iterable[Batch]) -> Tensor:
        """Predict this process's images. The sum of the results of all processes is the result for all images.

        Args:
            network: maps the inputs of a batch to logits.
            batches: batches to predict.
        """
        device = next(network.parameters()).device
        training = network.training
        network.eval()
        collected, done = self._empty(), 0
        for batch in batches:
            logits, end = network(batch.inputs.to(device)).cpu(), done + len(batch.labels)
            self._add(collected, logits, batch.labels, self.share[done:end])
            done = end
        network.train(training)
        return collected

    @abstractmethod
    def score(self, collected: Tensor) -> float:
        """The score, 0 to 1, from what all processes collected."""

    @abstractmethod
    def table(self, collected: Tensor, classes: tuple[str, ...]) -> list[list[object]]:
        """The rows of the file with the figures of the classes."""

    @abstractmethod
    def confusion(self, collected: Tensor) -> Tensor | None:
        """The confusion matrix, int64 (classes, classes); None if images may have several classes."""

    @abstractmethod
    def _empty(self) -> Tensor: ...

    @abstractmethod
    def _add(self, collected: Tensor, logits: Tensor, labels: Tensor, indexes: npt.NDArray[np.int64]) -> None: ...


class ConfusionEvaluator(Evaluator):
    """Counts how often each true class (row) was predicted as each class (column): int64 (classes, classes)."""

    table_name = "confusion.csv"

    def score(self, collected: Tensor) -> float:
        return int(collected.diagonal().sum()) / int(collected.sum())

    def table(self, collected: Tensor, classes: tuple[str, ...]) -> list[list[object]]:
        rows = zip(classes, collected.tolist(), strict=True)
        return [["true \\ predicted", *classes], *([name, *counts] for name, counts in rows)]

    def confusion(self, collected: Tensor) -> Tensor:
        return collected

    def _empty(self) -> Tensor:
        return torch.zeros(self.classes, self.classes, dtype=torch.int64)

    def _add(self, collected: Tensor, logits: Tensor, labels: Tensor, indexes: npt.NDArray[np.int64]) -> None:
        cells = torch.bincount(labels * self.classes + logits.argmax(1), minlength=self.classes**2)
        collected += cells.view(self.classes, self.classes)


class RankingEvaluator(Evaluator):
    """Collects logits and labels of every image: float64 (2, images, classes). The score is mean average precision."""

    table_name = "classes.csv"

    def score(self, collected: Tensor) -> float:
        return _accuracy(collected).value

    def table(self, collected: Tensor, classes: tuple[str, ...]) -> list[list[object]]:
        rows = [row.to_dict() for row in _accuracy(collected).classes(classes)]
        return [list(rows[0]), *(list(row.values()) for row in rows)]

    def confusion(self, collected: Tensor) -> None:
        return None

    def _empty(self) -> Tensor:
        return torch.zeros(2, self.images, self.classes, dtype=torch.float64)

    def _add(self, collected: Tensor, logits: Tensor, labels: Tensor, indexes: npt.NDArray[np.int64]) -> None:
        collected[0, indexes], collected[1, indexes] = logits.double(), labels.double()


def _accuracy(collected: Tensor) -> MultiLabelAccuracy:
    """The figures of the images, at thresholds of 0.5."""
    logits, labels = collected.numpy()
    return MultiLabelAccuracy(labels.astype(np.bool_), sigmoid(logits), Scoring(task="multi-label"))


EVALUATORS: Mapping[Task, type[Evaluator]] = {"single-label": ConfusionEvaluator, "multi-label": RankingEvaluator}
