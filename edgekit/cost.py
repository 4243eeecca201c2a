"""What a network costs, layer by layer.

Counted by `zoo.network_cost` of torch modules and by `graph.layer_costs` of ONNX files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """One layer. `kind`: the module's class or the ONNX operator; `output`: its shape without the batch."""

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Parameters, and multiply-accumulates for one image."""

    parameters: int
    macs: int


def total(layers: Iterable[LayerCost]) -> Cost:
    """The sums over the layers."""
    table = tuple(layers)
    return Cost(parameters=sum(layer.parameters for layer in table), macs=sum(layer.macs for layer in table))
