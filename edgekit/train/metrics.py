"""The loss of a batch, and the confusion matrix of a network."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.train.loader import Batch


def batch_loss(logits: Tensor, batch: Batch, *, smoothing: float) -> Tensor:
    """The sum of the images' cross-entropies; for mixed images, of those with both labels, weighted by their shares.

    Args:
        logits: (N, classes).
        batch: the batch that they belong to.
        smoothing: label smoothing, 0 to below 1.

    Returns:
        float32 scalar, with gradients.
    """

    def cross_entropy(labels: Tensor) -> Tensor:
        return F.cross_entropy(logits.float(), labels.to(logits.device), label_smoothing=smoothing, reduction="sum")

    if batch.share == 1.0:
        return cross_entropy(batch.labels)
    return batch.share * cross_entropy(batch.labels) + (1 - batch.share) * cross_entropy(batch.partner_labels)


@torch.inference_mode()
def confusion_matrix(network: nn.Module, batches: Iterable[Batch], *, classes: int) -> Tensor:
    """Count how often each true class (row) was predicted as each class (column).

    Args:
        network: maps the inputs of a batch to logits.
        batches: batches to predict.
        classes: number of classes.

    Returns:
        int64 (classes, classes) counts of images.
    """
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    counts = torch.zeros(classes * classes, dtype=torch.int64)
    for batch in batches:
        predictions = network(batch.inputs.to(device)).argmax(1).cpu()
        counts += torch.bincount(batch.labels * classes + predictions, minlength=classes * classes)
    network.train(training)
    return counts.view(classes, classes)


def accuracy(confusion: Tensor) -> float:
    """The share of correct predictions in a confusion matrix, 0 to 1."""
    return int(confusion.diagonal().sum()) / int(confusion.sum())
