"""MobileNetV1: Efficient Convolutional Neural Networks for Mobile Vision (Howard et al. 2017, arXiv 1704.04861)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from edgekit.errors import SpecError, must_be
from edgekit.zoo.blocks import (
    ConvNormAct,
    GlobalAveragePool,
    Padding,
    check_strides,
    named,
    round_channels,
    scaled_depth,
)
from edgekit.zoo.network import Network

# Table 1 of the paper: a block is a depthwise 3x3 convolution and the 1x1 convolution after it. Consecutive blocks of
# one width are a stage, whose first depthwise convolution has the stride.
#   channels of the 1x1, blocks
_STAGES = (
    (64, 1),
    (128, 2),
    (256, 2),
    (512, 6),
    (1024, 2),
)
# The default of an argument, because small images need some strides to be 1.
_STRIDES = (1, 2, 2, 2, 2)
_RESOLUTION = 224


def mobilenet_v1(
    *,
    classes: int = 1000,
    in_channels: int = 3,
    width_mult: float = 1.0,
    depth_mult: float = 1.0,
    padding: Padding = "symmetric",
    stem_stride: int = 2,
    stage_strides: Sequence[int] = _STRIDES,
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
        depth_mult: multiplier of the blocks of each width (1, 2, 2, 6 and 2), which are rounded up.
        padding: "symmetric", or "tf_same" for weights of TensorFlow.
        stem_stride: stride of the stem, 1 or 2.
        stage_strides: stride of the first block of each of the five widths, 1 or 2.
        dropout: dropout probability before the last layer.

    Returns:
        The network in training mode, randomly initialized.

    Raises:
        SpecError: a stride is not 1 or 2, or there are not five stage strides.
    """
    check_strides(stem_stride, stage_strides, stages=len(_STAGES))
    channels = round_channels(32 * width_mult)
    stem = ConvNormAct(in_channels, channels, kernel=3, stride=stem_stride, padding=padding)
    body: dict[str, nn.Module] = {"stem": stem}
    for (width, blocks), stage_stride in zip(_STAGES, stage_strides, strict=True):
        out, stride = round_channels(width * width_mult), stage_stride
        for _ in range(scaled_depth(blocks, depth_mult)):
            body[f"block{len(body)}"] = _depthwise_separable(channels, out, stride=stride, padding=padding)
            channels, stride = out, 1
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
