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


def lite_network(name: str) -> tuple[nn.Module, dict[str, Tensor]]:
    """Our network of EfficientNet-Lite with random weights, and its state dict by the published names."""
    network = build(name, padding="tf_same").eval()
    state = random_state(network)
    network.load_state_dict(state)
    return network, renamed_tensors(state, {ours: published for published, ours in published_keys(name).items()})


def random_state(network: nn.Module) -> dict[str, Tensor]:
    """Weights that preserve the magnitude of the signal; random statistics, scales and shifts of batch norms."""
    return {key: _random(key, tensor, network) for key, tensor in network.state_dict().items()}


def _random(key: str, tensor: Tensor, network: nn.Module) -> Tensor:
    module, parameter = key.rsplit(".", 1)
    if parameter == "num_batches_tracked":
        return torch.tensor(0)
    if tensor.ndim > 1:
        return torch.randn(tensor.shape) * (2 / tensor[0].numel()) ** 0.5
    if isinstance(network.get_submodule(module), nn.BatchNorm2d):
        # Scales well below the shifts: otherwise the logits of deep networks grow, and rounding decides them.
        draws = {
            "weight": lambda: torch.rand(tensor.shape) * 0.4 + 0.1,
            "running_var": lambda: torch.rand(tensor.shape) + 0.5,
        }
        return draws.get(parameter, lambda: torch.randn(tensor.shape))()
    return torch.randn(tensor.shape) * 0.1
