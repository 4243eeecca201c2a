"""The cost of a network, per layer and in total.

`zoo.network_cost` measures it for torch modules, `graph.layer_costs` for ONNX files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """The cost of one layer for one image.

    Attributes:
        name: of the module or node.
        kind: class of the torch module, or ONNX operator.
        output: shape of the output, without the batch.
        parameters: number of trained values.
        macs: number of multiply-accumulate operations.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of a network for one image.

    Attributes:
        parameters: number of trained values.
        macs: number of multiply-accumulate operations.
    """

    parameters: int
    macs: int


def total(layers: Iterable[LayerCost]) -> Cost:
    """Add up the costs of the layers."""
    costs = tuple(layers)
    return Cost(parameters=sum(layer.parameters for layer in costs), macs=sum(layer.macs for layer in costs))
