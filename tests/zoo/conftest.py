"""What the zoo's tests share: networks without data."""

import pytest
import torch

from edgekit.zoo.build import build
from edgekit.zoo.network import Network


@pytest.fixture(scope="session")
def hollow():
    """A function like `build`, whose network is on the meta device: shapes without data, memory or arithmetic."""

    def build_on_meta(name: str, **arguments: object) -> Network:
        with torch.device("meta"):
            return build(name, **arguments).eval()

    return build_on_meta
