"""Networks in the layout of published checkpoints, with random weights."""

from types import ModuleType

import torch
from torch import Tensor, nn

from edgekit.zoo.build import build, published_keys
from edgekit.zoo.weights import renamed_tensors

_PUBLISHED_NAMES = {"alexnet_owt": "alexnet", "efficientnet": "efficientnet_b0"}
# The spec's mean and std include GoogLeNet's input transform.
_PUBLISHED_ARGUMENTS = {"googlenet": {"init_weights": False, "transform_input": False}}


def published_name(name: str) -> str:
    """torchvision's name of our network."""
    return _PUBLISHED_NAMES.get(name, name)


def published_network(name: str, torchvision_models: ModuleType) -> nn.Module:
    """torchvision's network by our name, in evaluation mode, with random weights by torch's global generator."""
    with torch.device("meta"):  # torchvision's initialization is slow, and sets all biases and shifts to zero
        arguments = _PUBLISHED_ARGUMENTS.get(name, {})
        network = torchvision_models.get_model(published_name(name), weights=None, **arguments)
    network.load_state_dict(random_state(network), assign=True)
    return network.eval()


def lite_network(name: str) -> nn.Module:
    """Our network of EfficientNet-Lite, in evaluation mode, with random weights by torch's global generator."""
    network = build(name, padding="tf_same").eval()
    network.load_state_dict(random_state(network))
    return network


def lite_tensors(name: str, network: nn.Module) -> dict[str, Tensor]:
    """The state dict of our network of EfficientNet-Lite by the published names."""
    paths = {ours: published for published, ours in published_keys(name).items()}
    return renamed_tensors(network.state_dict(), paths)


@torch.no_grad()
def settle(network: nn.Module, inputs: Tensor) -> None:
    """Change the batch norms of a network in evaluation mode so that rounding does not decide its logits.

    Deep networks with random weights are chaotic. With the statistics of the inputs, and shifts larger than scales,
    most activations stay on one side of zero, and the logits still depend on the image.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.uniform_(0.1, 0.5)
        norm.bias.normal_()
        norm.reset_running_stats()
        norm.momentum = None  # the statistics of the single batch below
        norm.train()
    network(inputs)
    for norm in norms:
        norm.eval()
        norm.running_var.clamp_(min=0.01)  # of constant channels


def random_state(network: nn.Module) -> dict[str, Tensor]:
    """Weights that preserve the magnitude of the signal; random statistics, scales and shifts of batch norms."""
    return {key: _random(key, tensor, network) for key, tensor in network.state_dict().items()}


def _random(key: str, tensor: Tensor, network: nn.Module) -> Tensor:
    module, parameter = key.rsplit(".", 1)
    if parameter == "num_batches_tracked":
        return torch.tensor(0)
    if tensor.ndim > 1:
        return torch.randn(tensor.shape) * (2 / tensor[0].numel()) ** 0.5
    if isinstance(network.get_submodule(module), nn.BatchNorm2d) and parameter in ("weight", "running_var"):
        return torch.rand(tensor.shape) + 0.5
    return torch.randn(tensor.shape) * 0.1
