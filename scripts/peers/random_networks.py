"""Random networks that classify images differently, so that equal predictions of two programs mean something.

A network with the initial weights of its library returns nearly the same logits for every image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from peers.spread import scale_to_spread

Classify = Callable[[Tensor], Tensor]


@torch.no_grad()
def randomize(network: nn.Module, classify: Classify, inputs: Tensor, *, classes: int) -> None:
    """Change the weights of a network in evaluation mode so that its logits depend on the image.

    Args:
        network: with its library's initial weights; changed in place.
        classify: calls the network and returns logits (N, classes).
        inputs: all photographs, as the network's library preprocesses them: others may be far from their statistics.
        classes: number of logits. Linear layers and convolutions with as many outputs are taken for the head.
    """
    _preserve_signal(network)
    with _outputs(network, lambda module: _outputs_of(module) == classes) as outputs:
        _settle_batch_norms(network, classify, inputs)
        heads = list(outputs)
    for head in heads:
        fan_in = head.weight[0].numel()
        head.weight.normal_(std=fan_in**-0.5)
        head.bias = nn.Parameter(torch.zeros(classes))
    with _outputs(network, lambda module: module in heads) as outputs:
        classify(inputs)
        for head, output in outputs.items():
            positions = output.movedim(-1 if isinstance(head, nn.Linear) else 1, 0).reshape(classes, -1)
            head.bias.sub_(positions.mean(dim=1))
    scale = scale_to_spread(classify(inputs).numpy())
    for head in heads:
        head.weight.mul_(scale)
        head.bias.mul_(scale)


def _preserve_signal(network: nn.Module) -> None:
    """Give every layer a share in the result, also those that start small: some are 1e-6 or all zeros."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.normal_(std=(2 / module.weight[0].numel()) ** 0.5)
    for parameter in network.parameters():
        largest = parameter.abs().max()
        if 0 < largest < 0.01 and torch.all(parameter == parameter.flatten()[0]):
            parameter.fill_(0.3)
        elif largest == 0 and parameter.ndim > 1:
            parameter.normal_(std=0.02)


def _settle_batch_norms(network: nn.Module, classify: Classify, inputs: Tensor) -> None:
    """Set batch norms by the inputs. Smaller scales or larger shifts hide the image; the others amplify rounding."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        if norm.affine:
            norm.weight.uniform_(0.3, 0.8)
            norm.bias.normal_(std=0.5)
        norm.reset_running_stats()
        norm.momentum = None  # the statistics of the single batch below
        norm.train()
    classify(inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
        norm.running_var.clamp_(min=0.1 * norm.running_var.mean())  # of constant channels


def _outputs_of(module: nn.Module) -> int | None:
    if isinstance(module, nn.Linear):
        return module.out_features
    return module.out_channels if isinstance(module, nn.Conv2d) else None


@contextmanager
def _outputs(network: nn.Module, wanted: Callable[[nn.Module], bool]) -> Iterator[dict[nn.Module, Tensor]]:
    """Yield a dictionary that is filled with the last outputs of the wanted modules."""
    outputs: dict[nn.Module, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda module, _, output: outputs.update({module: output}))
        for module in network.modules()
        if wanted(module)
    ]
    yield outputs
    for hook in hooks:
        hook.remove()
