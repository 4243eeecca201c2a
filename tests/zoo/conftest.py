"""Fixtures of the zoo's tests: networks on the meta device, and a small network with weights."""

import pytest
import torch

from edgekit.zoo.build import build
from edgekit.zoo.network import Network


@pytest.fixture(scope="session")
def hollow():
    """A function like `build` whose network is on the meta device: shapes without data, memory or arithmetic."""

    def build_on_meta(name: str, **arguments: object) -> Network:
        with torch.device("meta"):
            return build(name, **arguments).eval()

    return build_on_meta


@pytest.fixture
def network():
    """A small network to load weights into."""
    torch.manual_seed(1)
    return build("lenet5")


@pytest.fixture
def state():
    """A state dict with weights that differ from the network's."""
    torch.manual_seed(2)
    return dict(build("lenet5").state_dict())
