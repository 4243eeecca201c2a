"""Counts the parameters and multiply-accumulates of a network from its modules."""

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
    """Count the cost of a network for one image: the sum of `layer_costs`.

    Args:
        network: network to count; not changed.
        input: height and width of the input in pixels.
        channels: number of input channels.

    Returns:
        Its parameters and multiply-accumulates.

    Raises:
        SpecError: the network does not accept inputs of this size.

    Example:
        >>> from edgekit import Size
        >>> from edgekit.zoo.build import build
        >>> from edgekit.zoo.network_cost import network_cost
        >>> network_cost(build("lenet5"), Size(32, 32), channels=1)
        Cost(parameters=61706, macs=416520)
    """
    return total(layer_costs(network, input, channels=channels))


def layer_costs(network: nn.Module, input: Size, *, channels: int = 3) -> tuple[LayerCost, ...]:
    """Count the cost of each layer of a network for one image.

    Convolutions and linear layers count kernel height * width * in_channels / groups multiply-accumulates per output
    value; biases, norms, activations and pooling count 0, as in fvcore and in torchvision's tables. The network runs on
    the meta device, without arithmetic.

    Args:
        network: network to count; not changed.
        input: height and width of the input in pixels.
        channels: number of input channels.

    Returns:
        One entry per layer, in the order in which they run.

    Raises:
        SpecError: the network does not accept inputs of this size.
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
    """Switch the network to evaluation mode, and restore the mode of each module afterwards."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
