"""Optimizers by name, and their state as named tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from edgekit.train.schedule import learning_rate
from edgekit.train.settings import Optimize

# RMSprop as in the MobileNet and EfficientNet papers: decay 0.9, and TensorFlow's epsilon of 1e-3, which is added under
# the square root, whereas torch adds it to the root.
_RMSPROP_DECAY = 0.9
_RMSPROP_EPS = 1e-3**0.5
_ADAM_BETA2 = 0.999


def create_optimizer(groups: list[dict[str, Any]], optimize: Optimize) -> Optimizer:
    """Create the recipe's optimizer.

    Args:
        groups: parameter groups as from `tune.parameter_groups`.
        optimize: the [optimize] section of the recipe.
    """
    rate, momentum = optimize.learning_rate, optimize.momentum
    if optimize.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=(momentum, _ADAM_BETA2))
    if optimize.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, lr=rate, alpha=_RMSPROP_DECAY, eps=_RMSPROP_EPS, momentum=momentum)
    return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=momentum > 0)


def set_learning_rate(optimizer: Optimizer, optimize: Optimize, epoch: float) -> None:
    """Set each group's learning rate: its "rate" times that of the schedule at a (fractional) epoch."""
    rate = learning_rate(optimize, epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]


def optimizer_tensors(optimizer: Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """The tensors of the optimizer's state, such as momenta, by "KEY/PARAMETER" names."""
    return {
        f"{key}/{name}": value
        for name, parameter in network.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: Optimizer, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Restore the tensors from `optimizer_tensors`, each in the memory layout of its parameter."""
    parameters = dict(network.named_parameters())
    for name, tensor in tensors.items():
        key, _, parameter_name = name.partition("/")
        parameter = parameters[parameter_name]
        like = torch.empty_like(parameter) if tensor.shape == parameter.shape else torch.empty_like(tensor)
        optimizer.state[parameter][key] = like.copy_(tensor).detach()
