"""LeNet-5: Gradient-Based Learning Applied to Document Recognition (LeCun et al. 1998), section II.B."""

from __future__ import annotations

from typing import Literal

from torch import nn

from edgekit.errors import SpecError, unknown
from edgekit.zoo.blocks import extents_of_grid, relu
from edgekit.zoo.network import Network


class _SubSampling(nn.Sequential):
    """Layers S2 and S4: 2x2 averages, one trainable gain and bias for each map, then a sigmoid."""

    def __init__(self, channels: int) -> None:
        gain_and_bias = nn.Conv2d(channels, channels, 1, groups=channels)
        super().__init__(nn.AvgPool2d(2), gain_and_bias, nn.Sigmoid())


def lenet5(
    *,
    classes: int = 10,
    in_channels: int = 1,
    input: int = 32,
    form: Literal["modern", "classic"] = "modern",
    dropout: float = 0.0,
) -> Network:
    """32x32 images: C1 6@28x28, S2 6@14x14, C3 16@10x10, S4 16@5x5, C5 120, F6 84, output.

    classic: the paper's average pooling with a trainable gain, sigmoid after it and tanh elsewhere. modern: max pooling
    and ReLU. Departures from the paper, in both: C3 sees all six maps of S2 (its table I connects some, to break a
    symmetry that random initialization breaks as well); the output layer is linear with softmax, not radial basis
    functions, as everywhere since. input: height and width in pixels; C5's kernel is S4's grid, 5x5 in the paper.
    Raises SpecError for an unknown form or an input below 16.
    """
    if form not in ("modern", "classic"):
        raise SpecError(unknown("form", str(form), ("modern", "classic")))
    modern = form == "modern"
    smallest, largest = extents_of_grid(_grid, input)

    def pool(channels: int) -> nn.Module:
        return nn.MaxPool2d(2) if modern else _SubSampling(channels)

    def act() -> nn.Module:
        return relu() if modern else nn.Tanh()

    body = {
        "c1": nn.Sequential(nn.Conv2d(in_channels, 6, 5), act()) if modern else nn.Conv2d(in_channels, 6, 5),
        "s2": pool(6),
        "c3": nn.Sequential(nn.Conv2d(6, 16, 5), act()) if modern else nn.Conv2d(6, 16, 5),
        "s4": pool(16),
        "c5": nn.Sequential(nn.Conv2d(16, 120, _grid(input)), act(), nn.Flatten()),
        "f6": nn.Sequential(nn.Linear(120, 84), act()),
    }
    head = {"dropout": nn.Dropout(dropout), "fc": nn.Linear(84, classes)}
    return Network(body, head, smallest=smallest, largest=largest)


def _grid(extent: int) -> int:
    """Positions a side of S4: twice a 5x5 convolution, unpadded, and a halving."""
    return ((extent - 4) // 2 - 4) // 2
