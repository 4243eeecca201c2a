"""Network In Network (Lin, Chen and Yan 2013, arXiv 1312.4400)."""

from __future__ import annotations

from torch import nn

from edgekit.zoo.blocks import GlobalAveragePool, he_normal, relu
from edgekit.zoo.network import Network


def nin(*, classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> Network:
    """Build the ImageNet form of the authors' published code: four mlpconv layers and the mean of each class's map.

    Accepts any input of 39x39 pixels or more. The paper describes the principle (section 3, figure 2), but not the
    widths of this form.

    Args:
        classes: number of classes.
        in_channels: number of input channels.
        dropout: dropout probability before the last mlpconv layer.

    Returns:
        The network in training mode, randomly initialized.
    """
    body = {
        # at 224x224:                                                                  54x54x96
        "mlpconv1": _mlpconv(nn.Conv2d(in_channels, 96, 11, stride=4), 96, 96),
        "pool1": nn.MaxPool2d(3, stride=2, ceil_mode=True),  #                         27x27x96
        "mlpconv2": _mlpconv(nn.Conv2d(96, 256, 5, padding=2), 256, 256),  #           27x27x256
        "pool2": nn.MaxPool2d(3, stride=2, ceil_mode=True),  #                         13x13x256
        "mlpconv3": _mlpconv(nn.Conv2d(256, 384, 3, padding=1), 384, 384),  #          13x13x384
        "pool3": nn.MaxPool2d(3, stride=2, ceil_mode=True),  #                         6x6x384
        "dropout": nn.Dropout(dropout),
        "mlpconv4": _mlpconv(nn.Conv2d(384, 1024, 3, padding=1), 1024),  #             6x6x1024
    }
    return he_normal(Network(body, _head(1024, classes), smallest=39))


def nin_cifar10(*, classes: int = 10, in_channels: int = 3, dropout: float = 0.5) -> Network:
    """Build the CIFAR-10 form of the authors' published code: three mlpconv layers and the mean of each class's map.

    Accepts any input of 4x4 pixels or more. The second pooling is an average.

    Args:
        classes: number of classes.
        in_channels: number of input channels.
        dropout: dropout probability after each pooling.

    Returns:
        The network in training mode, randomly initialized.
    """
    body = {
        # at 32x32:                                                                    32x32x96
        "mlpconv1": _mlpconv(nn.Conv2d(in_channels, 192, 5, padding=2), 160, 96),
        "pool1": nn.MaxPool2d(3, stride=2, ceil_mode=True),  #                         16x16x96
        "dropout1": nn.Dropout(dropout),
        "mlpconv2": _mlpconv(nn.Conv2d(96, 192, 5, padding=2), 192, 192),  #           16x16x192
        "pool2": nn.AvgPool2d(3, stride=2, ceil_mode=True),  #                         8x8x192
        "dropout2": nn.Dropout(dropout),
        "mlpconv3": _mlpconv(nn.Conv2d(192, 192, 3, padding=1), 192),  #               8x8x192
    }
    return he_normal(Network(body, _head(192, classes), smallest=4))


def _mlpconv(convolution: nn.Conv2d, *widths: int) -> nn.Sequential:
    """A convolution and 1x1 convolutions of these widths, each with ReLU: a small perceptron applied at each position.

    Equation 2 of the paper.
    """
    layers = nn.Sequential(convolution, relu())
    channels = convolution.out_channels
    for width in widths:
        layers.extend((nn.Conv2d(channels, width, 1), relu()))
        channels = width
    return layers


def _head(features: int, classes: int) -> dict[str, nn.Module]:
    """The last perceptron layer outputs one map per class, after a ReLU; their means are the logits (section 3.2)."""
    return {"fc": nn.Conv2d(features, classes, 1), "act": relu(), "pool": GlobalAveragePool()}
