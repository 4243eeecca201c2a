"""AlexNet: ImageNet Classification with Deep Convolutional Neural Networks (Krizhevsky et al. 2012)."""

from __future__ import annotations

from torch import nn

from edgekit.zoo.blocks import accepted_extents, he_normal, named, relu
from edgekit.zoo.network import Network


def alexnet(
    *,
    classes: int = 1000,
    in_channels: int = 3,
    input: int = 227,
    local_response_norm: bool = True,
    groups: int = 1,
    dropout: float = 0.5,
) -> Network:
    """Build the network of the 2012 paper: eight layers with weights (section 3.5, figure 2).

    Departures from the paper: one tower by default, because the network is no longer split over two GPUs; an input of
    227x227, because 224x224 does not give the paper's 55x55 without padding; He initialization, because a standard
    deviation of 0.01 with biases of 1 (section 5) leaves the initial plateau slowly.

    Args:
        classes: number of classes.
        in_channels: number of input channels.
        input: height and width of the input in pixels, at least 67; they determine the size of fc6.
        local_response_norm: add the local response normalization of section 3.3.
        groups: 2 keeps the paper's connections, in which the second, fourth and fifth convolution read only the feature
            maps on their own GPU.
        dropout: dropout probability before fc7 and the last layer.

    Returns:
        The network in training mode, randomly initialized.

    Raises:
        SpecError: `input` is below 67.
    """
    smallest, largest = accepted_extents(_grid, input)
    features = 256 * _grid(input) ** 2

    def norm() -> dict[str, nn.Module]:
        # Section 3.3: k=2, n=5, alpha=1e-4, beta=0.75; torch divides alpha by n, the paper does not.
        return {"norm": nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)} if local_response_norm else {}

    body = {
        # at 227x227:                                                                                55x55x96
        "conv1": named({"conv": nn.Conv2d(in_channels, 96, 11, stride=4), "act": relu()} | norm()),
        "pool1": nn.MaxPool2d(3, stride=2),  #                                                       27x27x96
        "conv2": named({"conv": nn.Conv2d(96, 256, 5, padding=2, groups=groups), "act": relu()} | norm()),
        "pool2": nn.MaxPool2d(3, stride=2),  #                                                       13x13x256
        "conv3": named({"conv": nn.Conv2d(256, 384, 3, padding=1), "act": relu()}),  #               13x13x384
        "conv4": named({"conv": nn.Conv2d(384, 384, 3, padding=1, groups=groups), "act": relu()}),
        "conv5": named({"conv": nn.Conv2d(384, 256, 3, padding=1, groups=groups), "act": relu()}),  # 13x13x256
        "pool5": nn.MaxPool2d(3, stride=2),  #                                                       6x6x256
        "flatten": nn.Flatten(),
        "fc6": named({"linear": nn.Linear(features, 4096), "act": relu(), "dropout": nn.Dropout(dropout)}),
        "fc7": named({"linear": nn.Linear(4096, 4096), "act": relu()}),
    }
    head = {"dropout": nn.Dropout(dropout), "fc": nn.Linear(4096, classes)}
    return he_normal(Network(body, head, smallest=smallest, largest=largest))


def _grid(extent: int) -> int:
    """Height or width of the grid after conv1 (kernel 11, stride 4) and three poolings (kernel 3, stride 2)."""
    extent = (extent - 11) // 4 + 1
    for _ in range(3):
        extent = (extent - 3) // 2 + 1
    return extent
