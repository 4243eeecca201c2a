"""AlexNet again: One weird trick for parallelizing convolutional neural networks (Krizhevsky 2014, 1404.5997)."""

from __future__ import annotations

from torch import nn

from edgekit.zoo.blocks import he_normal, named, relu
from edgekit.zoo.network import Network


def alexnet_owt(*, classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> Network:
    """The one-tower variant with 64 filters first, in the form of the published PyTorch weights.

    Any input of 63x63 or more. Departures from the paper, all of the published form: conv4 has 256 filters, not 384;
    any grid is averaged to 6x6 positions, so that other inputs work; dropout stands before fc6 and fc7.
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
    """Module paths of torchvision's `alexnet`, each with ours."""
    theirs = ("features.0", "features.3", "features.6", "features.8", "features.10", "classifier.1", "classifier.4")
    ours = ("conv1.conv", "conv2.conv", "conv3.conv", "conv4.conv", "conv5.conv", "fc6.linear", "fc7.linear")
    keys = {published: f"body.{name}" for published, name in zip(theirs, ours, strict=True)}
    return keys | {"classifier.6": "head.fc"}
