"""What a network costs: parameters and multiply-accumulates, counted from the built modules."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from edgekit.cost import Cost, LayerCost, total
from edgekit.image.size import Size


def network_cost(network: nn.Module, input: Size, *, channels: int = 3) -> Cost:
    """The sum of `layer_costs`. Raises SpecError for an input that the network does not accept."""
    return total(layer_costs(network, input, channels=channels))


def layer_costs(network: nn.Module, input: Size, *, channels: int = 3) -> tuple[LayerCost, ...]:
    """The layers that a prediction on one image runs, in their order, by forward hooks.

    Convolutions and linear layers count kernel height * width * in_channels / groups for each output value; biases,
    norms, activations and pooling count 0: the convention of fvcore and of torchvision's tables. No arithmetic is
    done (the network runs on the meta device), and the network is left as it was.
    Raises SpecError for an input that the network does not accept.
    """
    costs: list[LayerCost] = []
    leaves = {name: module for name, module in network.named_modules() if not any(module.children())}
    hooks = [module.register_forward_hook(partial(_record_cost, costs, name)) for name, module in leaves.items()]
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    meta_tensors = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    try:
        with _evaluation_mode(network), torch.no_grad():
            functional_call(network, meta_tensors, torch.empty(1, channels, *input, device="meta"))
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(costs)


def _record_cost(costs: list[LayerCost], name: str, module: nn.Module, inputs: Any, output: Tensor) -> None:
    parameters = sum(parameter.numel() for parameter in module.parameters())
    shape = tuple(output.shape[1:])
    macs = 0
    if isinstance(module, nn.Conv2d | nn.Linear):
        macs = math.prod(shape) * module.weight[0].numel()  # the weights of one output value
    costs.append(LayerCost(name=name, kind=type(module).__name__, output=shape, parameters=parameters, macs=macs))


@contextmanager
def _evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Puts the network in evaluation mode, then each module back in its own mode."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
