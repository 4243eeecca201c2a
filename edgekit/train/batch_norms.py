"""How batch norms take part in a training: by the statistics of each batch, or by those that the weights came with."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from edgekit.train.recipe import Recipe

# Networks whose weights come from the authors' TensorFlow code have 0.01, for hundreds of epochs. After a short
# training, their statistics would still be those of the weights that it began with.
_LEAST_MOMENTUM = 0.1


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """The batch norms of a network."""
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


def reason_to_fix_norms(body: nn.Module, recipe: Recipe, *, solved_head: bool) -> str | None:
    """Why batch norms keep their statistics, in evaluation mode; None if they learn them from the batches.

    Args:
        body: the body of the network, with its initial weights.
        recipe: the recipe.
        solved_head: whether training starts from a head that is solved for. It fits the features that the body has in
            evaluation mode; statistics of the batches give others.
    """
    if recipe.weights is not None and has_folded_norms(body):
        return "batch normalization is folded into these weights; its layers stay fixed, in evaluation mode"
    if solved_head and batch_norms(body):
        return "batch norms keep their statistics, because the head is solved for the features that they give"
    return None


def raise_norm_momentum(network: nn.Module, recipe: Recipe) -> str | None:
    """Make the statistics of batch norms follow the weights within tens of steps, unless the recipe has a momentum.

    Args:
        network: the network, whose norms are changed.
        recipe: the recipe.

    Returns:
        A message if a norm was slower than that.
    """
    slow = [norm for norm in batch_norms(network) if norm.momentum is not None and norm.momentum < _LEAST_MOMENTUM]
    if not slow or "norm_momentum" in recipe.arguments:
        return None
    usual = slow[0].momentum
    for norm in slow:
        norm.momentum = _LEAST_MOMENTUM
    return (
        f"batch norms get a momentum of {_LEAST_MOMENTUM:g}, because {usual:g} is for hundreds of epochs; an argument "
        f"norm_momentum of the network replaces it"
    )


def has_folded_norms(network: nn.Module) -> bool:
    """Whether batch normalization is folded into the weights: every layer has mean 0 and variance 1 (within its eps).

    Trained layers never do. In training mode such a layer would normalize by the batch and destroy the network.
    """
    norms = batch_norms(network)
    return bool(norms) and all(_is_identity(norm) for norm in norms)


def _is_identity(norm: _BatchNorm) -> bool:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None or mean.any():
        return False
    # Twice the eps, because some exporters write 1 - eps, so that the standard deviation with eps is exactly 1.
    return bool(((variance - 1).abs() <= 2 * norm.eps).all())
