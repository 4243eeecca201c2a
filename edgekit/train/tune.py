"""Which parts of a network learn, and how fast: head, partial, full and scratch are only different rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from edgekit.errors import SpecError, unknown
from edgekit.train.recipe import Recipe
from edgekit.zoo.network import Network

_HEAD_NAME = "head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How a network is trained.

    rates: of every stage of the body and of the "head", as a share of the learning rate; 0 is frozen. folded: batch
    norms stay as they are, because they were folded into the weights.
    """

    rates: Mapping[str, float]
    folded: bool = False

    @property
    def body_frozen(self) -> bool:
        """Only the head learns, so that the features of an image never change."""
        return not any(rate for name, rate in self.rates.items() if name != _HEAD_NAME)


def choose_tuning(network: Network, recipe: Recipe) -> Tuning:
    """How this network, which has its weights already, is trained by the recipe.

    Raises SpecError for an unknown stage or more stages than the network has.
    """
    rates = dict.fromkeys((name for name, _ in network.body.named_children()), 0.0)
    learned = _learned_stages(network, recipe)
    for depth, name in enumerate(reversed(learned)):
        rates[name] = recipe.optimize.backbone_rate * recipe.optimize.layer_decay**depth
    folded = recipe.weights is not None and has_folded_norms(network)
    return Tuning(rates=MappingProxyType(rates | {_HEAD_NAME: 1.0}), folded=folded)


def has_folded_norms(network: nn.Module) -> bool:
    """Whether every batch norm has mean 0 and variance 1 (within its eps): its statistics lie in the weights before it.

    Trained ones never do. In training mode such a norm would normalize by the batch and destroy the network.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    return bool(norms) and all(_is_identity(norm) for norm in norms)


def _is_identity(norm: _BatchNorm) -> bool:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None or mean.any():
        return False
    return bool(((variance - 1).abs() <= 2 * norm.eps).all())  # some write 1 - eps, whose root with eps is 1


def freeze(network: Network, tuning: Tuning) -> None:
    """Stop the gradients of the parts that do not learn."""
    for name, part in named_parts(network).items():
        part.requires_grad_(tuning.rates[name] > 0)


def set_training_mode(network: Network, tuning: Tuning) -> None:
    """Training mode, except for parts that do not learn and folded norms, which stay in evaluation mode."""
    network.train()
    for name, part in named_parts(network).items():
        if not tuning.rates[name]:
            part.eval()
    if tuning.folded:
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                module.eval()


def parameter_groups(network: Network, tuning: Tuning, weight_decay: float) -> list[dict[str, object]]:
    """Optimizer groups by rate and decay: norms and biases, which have one dimension, do not decay.

    Each has its "rate", the share of the learning rate. Auxiliary heads learn as the head does.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    rated_modules = [(tuning.rates[name], part) for name, part in named_parts(network).items()]
    for rate, module in [*rated_modules, (1.0, network.auxiliary)]:
        for parameter in module.parameters():
            if rate:
                groups.setdefault((rate, weight_decay if parameter.ndim > 1 else 0.0), []).append(parameter)
    return [{"params": p, "rate": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]


def learned_tensors(network: Network, tuning: Tuning) -> dict[str, torch.Tensor]:
    """The tensors of the state dict that training changes: parameters and statistics of the parts that learn."""
    frozen = tuple(f"body.{name}." for name, rate in tuning.rates.items() if not rate and name != _HEAD_NAME)
    return {name: tensor for name, tensor in network.state_dict().items() if not name.startswith(frozen)}


def named_parts(network: Network) -> dict[str, nn.Module]:
    """The stages of the body and the head by name."""
    return {**dict(network.body.named_children()), _HEAD_NAME: network.head}


def _learned_stages(network: Network, recipe: Recipe) -> list[str]:
    """The stages of the body that learn, in their order; only those that have parameters are counted."""
    stages = [name for name, stage in network.body.named_children() if any(True for _ in stage.parameters())]
    if recipe.tune != "partial":
        return [] if recipe.tune == "head" else stages
    if isinstance(recipe.unfreeze, int):
        if not 1 <= recipe.unfreeze <= len(stages):
            raise SpecError(f"unfreeze {recipe.unfreeze} must lie in 1 to {len(stages)}: {', '.join(stages)}")
        return stages[-recipe.unfreeze :]
    for name in recipe.unfreeze:
        if name not in stages:
            raise SpecError(unknown("stage to unfreeze", name, stages))
    return [name for name in stages if name in recipe.unfreeze]
