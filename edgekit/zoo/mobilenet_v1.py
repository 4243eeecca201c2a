"""MobileNetV1: Efficient Convolutional Neural Networks for Mobile Vision (Howard et al. 2017, arXiv 1704.04861)."""

from __future__ import annotations

from torch import nn

from edgekit.errors import SpecError, must_be
from edgekit.zoo.blocks import ConvNormAct, GlobalAveragePool, Padding, named, round_channels
from edgekit.zoo.network import Network

# Table 1 of the paper: each row is a depthwise 3x3 convolution and the 1x1 convolution after it.
#   stride of the depthwise, channels of the 1x1
_BLOCKS = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (2, 1024),
    (1, 1024),
)
_RESOLUTION = 224


def mobilenet_v1(
    *,
    classes: int = 1000,
    in_channels: int = 3,
    width_mult: float = 1.0,
    padding: Padding = "symmetric",
    dropout: float = 0.0,
) -> Network:
    """Build the network of table 1: stem, 13 depthwise separable blocks, average pooling.

    Accepts any input size. The paper's resolution multiplier rho is not an argument, because no weight depends on it;
    `resolution` computes the input size. Departures from the paper: the last depthwise convolution has stride 1,
    because table 1 prints s2 but has 7x7 before and after it; channels are rounded to multiples of 8, which devices
    compute fastest and which the paper's four multipliers give anyway.

    Args:
        classes: number of classes.
        in_channels: number of input channels.
        width_mult: the paper's alpha, multiplier of the channels of every layer (section 3.3).
        padding: "symmetric", or "tf_same" for weights of TensorFlow.
        dropout: dropout probability before the last layer.

    Returns:
        The network in training mode, randomly initialized.
    """
    channels = round_channels(32 * width_mult)
    body: dict[str, nn.Module] = {"stem": ConvNormAct(in_channels, channels, kernel=3, stride=2, padding=padding)}
    for number, (stride, width) in enumerate(_BLOCKS, 1):
        out = round_channels(width * width_mult)
        body[f"block{number}"] = _depthwise_separable(channels, out, stride=stride, padding=padding)
        channels = out
    body["pool"] = GlobalAveragePool()
    return Network(body, {"dropout": nn.Dropout(dropout), "fc": nn.Linear(channels, classes)})


def resolution(resolution_mult: float) -> int:
    """Compute the input size for the paper's resolution multiplier rho: 224 * rho, rounded (section 3.4).

    The paper's sizes of 224, 192, 160 and 128 are rho = 1, 6/7, 5/7 and 4/7. The cost is proportional to rho squared.

    Args:
        resolution_mult: rho, above 0.

    Returns:
        Height and width in pixels.

    Raises:
        SpecError: `resolution_mult` is not above 0.

    Example:
        >>> from edgekit.zoo.mobilenet_v1 import resolution
        >>> resolution(4 / 7)
        128
    """
    if not resolution_mult > 0:
        raise SpecError(must_be("resolution_mult", "above 0", resolution_mult))
    return max(1, round(_RESOLUTION * resolution_mult))


def _depthwise_separable(in_channels: int, out_channels: int, *, stride: int, padding: Padding) -> nn.Sequential:
    """Figure 3, right: one filter per channel, then a 1x1 convolution that combines the channels."""
    return named(
        {
            "depthwise": ConvNormAct(
                in_channels, in_channels, kernel=3, stride=stride, groups=in_channels, padding=padding
            ),
            "pointwise": ConvNormAct(in_channels, out_channels, kernel=1),
        }
    )
