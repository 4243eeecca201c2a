"""AlexNet's one-tower variant: One weird trick for parallelizing convolutional neural networks.

Krizhevsky 2014, arXiv 1404.5997.
"""

from __future__ import annotations

from torch import nn

from edgekit.zoo.blocks import he_normal, named, relu
from edgekit.zoo.network import Network


def alexnet_owt(*, classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> Network:
    """Build the one-tower variant with 64 filters in conv1, as the published PyTorch weights have it.

    Accepts any input of 63x63 pixels or more. Departures from the paper, all as in the published weights: conv4 has 256
    filters, not 384; the last grid is averaged to 6x6, so that other input sizes work; dropout comes before fc6 and
    fc7.

    Args:
        classes: number of classes.
        in_channels: number of input channels.
        dropout: dropout probability before fc6 and fc7.

    Returns:
        The network in training mode, randomly initialized.
    """
    body = {
        # at 224x224:                                                                           55x55x64
        "conv1": named({"conv": nn.Conv2d(in_channels, 64, 11, stride=4, padding=2), "act": relu()}),
        "pool1": nn.MaxPool2d(3, stride=2),  #                                                  27x27x64
        "conv2": named({"conv": nn.Conv2d(64, 192, 5, padding=2), "act": relu()}),  #           27x27x192
        "pool2": nn.MaxPool2d(3, stride=2),  #                                                  13x13x192
        "conv3": named({"conv": nn.Conv2d(192, 384, 3, padding=1), "act": relu()}),  #          13x13x384
        "conv4": named({"conv": nn.Conv2d(384, 256, 3, padding=1), "act": relu()}),  #          13x13x256
        "conv5": named({"conv": nn.Conv2d(256, 256, 3, padding=1), "act": relu()}),  #          13x13x256
        "pool5": nn.MaxPool2d(3, stride=2),  #                                                  6x6x256
        "flatten": nn.Sequential(nn.AdaptiveAvgPool2d(6), nn.Flatten()),  #                     9216
        "fc6": named({"dropout": nn.Dropout(dropout), "linear": nn.Linear(256 * 6 * 6, 4096), "act": relu()}),
        "fc7": named({"dropout": nn.Dropout(dropout), "linear": nn.Linear(4096, 4096), "act": relu()}),
    }
    return he_normal(Network(body, {"fc": nn.Linear(4096, classes)}, smallest=63))


def published_keys() -> dict[str, str]:
    """Map the module paths of torchvision's `alexnet` to those of this network."""
    published = ("features.0", "features.3", "features.6", "features.8", "features.10", "classifier.1", "classifier.4")
    modules = ("conv1.conv", "conv2.conv", "conv3.conv", "conv4.conv", "conv5.conv", "fc6.linear", "fc7.linear")
    keys = {path: f"body.{module}" for path, module in zip(published, modules, strict=True)}
    return keys | {"classifier.6": "head.fc"}
