"""LeNet-5: Gradient-Based Learning Applied to Document Recognition (LeCun et al. 1998), section II.B."""

from __future__ import annotations

from typing import Literal

from torch import nn

from edgekit.errors import SpecError, unknown
from edgekit.zoo.blocks import accepted_extents, relu
from edgekit.zoo.network import Network


class _SubSampling(nn.Sequential):
    """Layers S2 and S4: 2x2 average pooling, one trainable gain and bias per feature map, then a sigmoid."""

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
    """Build the network of figure 2: for 32x32 images, C1 6@28x28, S2 6@14x14, C3 16@10x10, S4 16@5x5, C5 120, F6 84.

    Departures from the paper, in both forms: C3 reads all six feature maps of S2 (table I connects some of them, to
    break a symmetry that random initialization breaks as well); the output layer is linear with softmax, as has become
    standard, not radial basis functions.

    Args:
        classes: number of classes.
        in_channels: number of input channels.
        input: height and width of the input in pixels, at least 16. The kernel of C5 covers the grid of S4, 5x5 in the
            paper.
        form: "classic" has the paper's average pooling with a trainable gain and a sigmoid, and tanh elsewhere;
            "modern" has max pooling and ReLU.
        dropout: dropout probability before the last layer.

    Returns:
        The network in training mode, randomly initialized.

    Raises:
        SpecError: `form` is unknown, or `input` is below 16.
    """
    if form not in ("modern", "classic"):
        raise SpecError(unknown("form", str(form), ("modern", "classic")))
    modern = form == "modern"
    smallest, largest = accepted_extents(_grid, input)

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
    """Height or width of the grid of S4: an unpadded 5x5 convolution and a halving, twice."""
    return ((extent - 4) // 2 - 4) // 2
