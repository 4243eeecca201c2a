"""Classes of unequal size: the warning, and the weights of classes and images that compensate for it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edgekit.dataset import ImageSet
from edgekit.errors import SpecError, quote
from edgekit.train.recipe import Recipe

# From here on, a network that predicts only the largest class may look good.
_WARNING_RATIO = 10


def class_weights(counts: npt.NDArray[np.int64], *, beta: float) -> npt.NDArray[np.float64]:
    """The weight of an image of each class, by the effective number of images (Cui et al. 2019, arXiv 1901.05555).

    n images of a class count as (1 - beta^n) / (1 - beta) images, because they resemble each other (section 3), and the
    weight is the reciprocal of that. With `beta` 0, every class with images counts as one, so all weights are 1; 1 is
    the limit, in which the weight is 1 / n.

    Args:
        counts: int64 (classes,) number of images of each class.
        beta: 0 to 1.

    Returns:
        float64 (classes,), scaled so that the mean weight of the images is 1; 0 for classes without images.
    """
    exponents = counts.astype(np.float64)
    # expm1 and log: 1 - beta**n loses its digits where beta is close to 1.
    effective = exponents if beta == 1 else -np.expm1(exponents * np.log(beta)) / (1 - beta) if beta else counts > 0
    weights = np.divide(1.0, effective, out=np.zeros_like(exponents), where=counts > 0)
    scale: float = counts.sum() / (weights * counts).sum()
    return weights * scale


def loss_weights(training: ImageSet, recipe: Recipe) -> Tensor | None:
    """The weights of the classes in the loss, float32 (classes,); None unless `balance` is "loss".

    Their mean over the classes is 1, as in the paper. If that over the images were, the few images of a small class
    would make steps that are too long for the learning rate: with 500 and 10 images, a weight of 25.
    """
    if recipe.balance != "loss":
        return None
    weights = _weights(training, recipe)
    return torch.from_numpy(weights / weights[weights > 0].mean()).float()


def sampling_weights(training: ImageSet, recipe: Recipe) -> npt.NDArray[np.float64] | None:
    """How often each image is drawn in an epoch on average, float64 (images,); None unless `balance` is "sampler"."""
    return _weights(training, recipe)[training.truth()] if recipe.balance == "sampler" else None


def check_balance(training: ImageSet, recipe: Recipe) -> None:
    """Raise SpecError if the recipe balances classes, but the images have several labels each."""
    if training.task == "multi-label" and recipe.balance != "none":
        raise SpecError(
            f"`balance` {quote(recipe.balance)} needs images with one label each: those with several labels are judged "
            f"by mAP, which counts all classes equally"
        )


def imbalance_warning(training: ImageSet, recipe: Recipe) -> str | None:
    """A warning if the largest class has ten times the images of the smallest and `balance` is none; otherwise None."""
    counts = training.class_counts()
    present = [index for index in np.argsort(counts, kind="stable").tolist() if counts[index]]
    smallest, largest = present[0], present[-1]
    if training.task == "multi-label" or recipe.balance != "none":
        return None
    if counts[largest] < _WARNING_RATIO * counts[smallest]:
        return None
    return (
        f"warning: {quote(training.classes[largest])} has {counts[largest]} train images, "
        f"{quote(training.classes[smallest])} only {counts[smallest]}; `balance` loss or sampler gives small classes "
        f"more weight"
    )


def _weights(training: ImageSet, recipe: Recipe) -> npt.NDArray[np.float64]:
    return class_weights(training.class_counts(), beta=recipe.balance_beta)
