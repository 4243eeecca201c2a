"""VGG: Very Deep Convolutional Networks for Large-Scale Image Recognition (Simonyan, Zisserman 2014, 1409.1556)."""

from __future__ import annotations

from torch import nn

from edgekit.errors import SpecError, unknown
from edgekit.zoo.blocks import he_normal, named, relu
from edgekit.zoo.network import Network

# Table 1 of the paper, columns A, B, D and E: the number of 3x3 convolutions in each block, which ends in max pooling.
#     channels   64 128 256 512 512
_CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
_CHANNELS = (64, 128, 256, 512, 512)
_GRID = 7


def vgg(
    *, depth: int, classes: int = 1000, in_channels: int = 3, batch_norm: bool = False, dropout: float = 0.5
) -> Network:
    """Build a network of table 1.

    Accepts any input of 32x32 pixels or more. Departures from the paper, as in the published PyTorch weights: an
    optional batch norm, which is newer than the paper, after each convolution; the last grid is averaged to 7x7, so
    that input sizes other than 224x224 work. He initialization, because the paper initializes the deeper networks from
    a shallower one that was trained first.

    Args:
        depth: number of layers with weights: 11, 13, 16 or 19.
        classes: number of classes.
        in_channels: number of input channels.
        batch_norm: add a batch norm after each convolution.
        dropout: dropout probability before fc7 and the last layer.

    Returns:
        The network in training mode, randomly initialized.

    Raises:
        SpecError: `depth` is unknown.
    """
    body: dict[str, nn.Module] = {}
    channels = in_channels
    for number, (convolutions, width) in enumerate(zip(_column(depth), _CHANNELS, strict=True), 1):
        layers: dict[str, nn.Module] = {}
        for index in range(1, convolutions + 1):
            layers[f"conv{index}"] = _convolution(channels, width, batch_norm=batch_norm)
            channels = width
        body[f"block{number}"] = named(layers | {"pool": nn.MaxPool2d(2)})
    body["flatten"] = nn.Sequential(nn.AdaptiveAvgPool2d(_GRID), nn.Flatten())
    features = channels * _GRID**2
    body["fc6"] = named({"linear": nn.Linear(features, 4096), "act": relu(), "dropout": nn.Dropout(dropout)})
    body["fc7"] = named({"linear": nn.Linear(4096, 4096), "act": relu()})
    return he_normal(Network(body, {"dropout": nn.Dropout(dropout), "fc": nn.Linear(4096, classes)}, smallest=32))


def _column(depth: int) -> tuple[int, ...]:
    if depth not in _CONVOLUTIONS:
        raise SpecError(unknown("depth", str(depth), map(str, _CONVOLUTIONS)))
    return _CONVOLUTIONS[depth]


def _convolution(in_channels: int, out_channels: int, *, batch_norm: bool) -> nn.Sequential:
    """A 3x3 convolution, with a bias even if a batch norm makes it redundant, because the published weights have it."""
    convolution = {"conv": nn.Conv2d(in_channels, out_channels, 3, padding=1)}
    norm = {"norm": nn.BatchNorm2d(out_channels)} if batch_norm else {}
    return named({**convolution, **norm, "act": relu()})


def published_keys(*, depth: int, batch_norm: bool = False) -> dict[str, str]:
    """Map torchvision's module paths to those of this network."""
    keys, number = {}, 0
    for block, convolutions in enumerate(_column(depth), 1):
        for index in range(1, convolutions + 1):
            keys[f"features.{number}"] = f"body.block{block}.conv{index}.conv"
            if batch_norm:
                keys[f"features.{number + 1}"] = f"body.block{block}.conv{index}.norm"
            number += 3 if batch_norm else 2
        number += 1  # the pooling
    return keys | {"classifier.0": "body.fc6.linear", "classifier.3": "body.fc7.linear", "classifier.6": "head.fc"}
