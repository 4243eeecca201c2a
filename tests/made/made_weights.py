"""Weight files in every supported format, and loading them into a LeNet-5."""

import pytest
import torch
from safetensors.torch import save_file

from edgekit.errors import WeightsError
from edgekit.zoo.weights import load_weights


def load(network, path, **arguments):
    return load_weights(network, path, model="lenet5", **arguments)


def refusal(network, path, **arguments) -> str:
    """Return the error message of loading, which must be one line naming the file; the network must not change."""
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load(network, path, **arguments)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message


def write_safetensors(state, path):
    save_file(state, path)


def write_pth(state, path):
    torch.save(state, path)


def write_old_pth(state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)
