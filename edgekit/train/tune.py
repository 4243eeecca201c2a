"""Which parts of a network are trained, and how fast: head, partial and full only differ in their rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import torch
from torch import nn

from edgekit.errors import SpecError, unknown
from edgekit.train.batch_norms import batch_norms
from edgekit.train.recipe import Recipe
from edgekit.zoo.network import Network

_HEAD_NAME = "head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Which parts of a network are trained, and how fast.

    Attributes:
        rates: factor of the learning rate for every stage of the body and for the "head"; 0 freezes it.
        fixed_norms: the batch norms of the body keep their statistics, in evaluation mode.
    """

    rates: Mapping[str, float]
    fixed_norms: bool = False

    @property
    def body_frozen(self) -> bool:
        """Whether only the head is trained, so that the features of an image never change."""
        return not any(rate for name, rate in self.rates.items() if name != _HEAD_NAME)


def choose_tuning(network: Network, recipe: Recipe, *, fixed_norms: bool = False) -> Tuning:
    """Decide which parts of a network the recipe trains.

    Args:
        network: the network with its initial weights.
        recipe: the recipe; `tune`, `unfreeze`, `backbone_rate` and `layer_decay` matter.
        fixed_norms: as in `Tuning`.

    Raises:
        SpecError: `unfreeze` names an unknown stage, or more stages than the network has.
    """
    rates = dict.fromkeys((name for name, _ in network.body.named_children()), 0.0)
    for depth, name in enumerate(reversed(_trained_stages(network, recipe))):
        rates[name] = recipe.optimize.backbone_rate * recipe.optimize.layer_decay**depth
    return Tuning(rates=MappingProxyType(rates | {_HEAD_NAME: 1.0}), fixed_norms=fixed_norms)


def freeze(network: Network, tuning: Tuning) -> None:
    """Turn off the gradients of frozen parts."""
    for name, part in named_parts(network).items():
        part.requires_grad_(tuning.rates[name] > 0)


def set_training_mode(network: Network, tuning: Tuning) -> None:
    """Put the network into training mode, except for frozen parts and fixed batch norms."""
    network.train()
    for name, part in named_parts(network).items():
        if not tuning.rates[name]:
            part.eval()
    if tuning.fixed_norms:
        for norm in batch_norms(network.body):
            norm.eval()


def parameter_groups(network: Network, tuning: Tuning, weight_decay: float) -> list[dict[str, object]]:
    """Group the trained parameters by learning rate and weight decay.

    Norms and biases, which have one dimension, do not decay. Auxiliary heads are trained like the head.

    Args:
        network: the network.
        tuning: which parts are trained, and how fast.
        weight_decay: weight decay of all other parameters.

    Returns:
        Groups for a torch optimizer; each also has a "rate", its factor of the learning rate.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    rated_modules = [(tuning.rates[name], part) for name, part in named_parts(network).items()]
    for rate, module in [*rated_modules, (1.0, network.auxiliary)]:
        for parameter in module.parameters():
            if rate:
                groups.setdefault((rate, weight_decay if parameter.ndim > 1 else 0.0), []).append(parameter)
    return [{"params": p, "rate": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]


def trained_tensors(network: Network, tuning: Tuning) -> dict[str, torch.Tensor]:
    """The tensors of the state dict that training changes: parameters and statistics of the trained parts."""
    frozen = tuple(f"body.{name}." for name, rate in tuning.rates.items() if not rate and name != _HEAD_NAME)
    return {name: tensor for name, tensor in network.state_dict().items() if not name.startswith(frozen)}


def named_parts(network: Network) -> dict[str, nn.Module]:
    """The stages of the body and the head, by name."""
    return {**dict(network.body.named_children()), _HEAD_NAME: network.head}


def linear_head(network: Network, model: str) -> nn.Linear:
    """The linear layer that is all of a network's head, apart from dropout.

    Args:
        network: the network.
        model: its name, for the message.

    Raises:
        SpecError: the head is of another form, so that no logistic regression is the optimum.
    """
    if not has_linear_head(network):
        raise SpecError(f"the head of {model} is more than a linear layer; set `solver` to sgd")
    return cast(nn.Linear, network.head.fc)


def has_linear_head(network: Network) -> bool:
    """Whether a network's head is a linear layer, apart from dropout."""
    layers = dict(network.head.named_children())
    return isinstance(layers.pop("fc"), nn.Linear) and all(isinstance(layer, nn.Dropout) for layer in layers.values())


def _trained_stages(network: Network, recipe: Recipe) -> list[str]:
    """The stages of the body that are trained, in order; stages without parameters do not count."""
    stages = [name for name, stage in network.body.named_children() if any(True for _ in stage.parameters())]
    if recipe.tune != "partial":
        return [] if recipe.tune == "head" else stages
    if isinstance(recipe.unfreeze, int):
        if not 1 <= recipe.unfreeze <= len(stages):
            raise SpecError(
                f"`unfreeze` must be from 1 to {len(stages)} (got {recipe.unfreeze}); stages: {', '.join(stages)}"
            )
        return stages[-recipe.unfreeze :]
    for name in recipe.unfreeze:
        if name not in stages:
            raise SpecError(unknown("stage in `unfreeze`", name, stages))
    return [name for name in stages if name in recipe.unfreeze]
