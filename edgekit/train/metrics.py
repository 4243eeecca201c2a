"""The loss of a batch, and how often each class was taken for each."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.dataset import PictureSet
from edgekit.train.loader import Batch, evaluation_batches
from edgekit.train.recipe import Recipe


def batch_loss(logits: Tensor, batch: Batch, *, smoothing: float) -> Tensor:
    """The sum of the pictures' cross entropies; of mixed pictures, those against both labels by their shares."""

    def against(labels: Tensor) -> Tensor:
        return F.cross_entropy(logits.float(), labels.to(logits.device), label_smoothing=smoothing, reduction="sum")

    if batch.share == 1.0:
        return against(batch.labels)
    return batch.share * against(batch.labels) + (1 - batch.share) * against(batch.partners)


@torch.inference_mode()
def count_answers(network: nn.Module, batches: Iterable[Batch], *, classes: int) -> Tensor:
    """int64 (classes, classes): how often each true class (row) got each answer (column)."""
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    counts = torch.zeros(classes * classes, dtype=torch.int64)
    for batch in batches:
        answers = network(batch.inputs.to(device)).argmax(1).cpu()
        counts += torch.bincount(batch.labels * classes + answers, minlength=classes * classes)
    network.train(training)
    return counts.view(classes, classes)


def evaluate(network: nn.Module, pictures: PictureSet, recipe: Recipe, *, workers: int = 1) -> float:
    """Top-1 accuracy (0 to 1) by the reference center crop, of a network that takes pixels."""
    batches = evaluation_batches(pictures, recipe.preprocess, batch_size=64, workers=workers)
    return accuracy_of(count_answers(network, batches, classes=len(pictures.classes)))


def accuracy_of(confusion: Tensor) -> float:
    """The share (0 to 1) of the answers that were right."""
    return int(confusion.diagonal().sum()) / int(confusion.sum())
