"""MobileNetV2: Inverted Residuals and Linear Bottlenecks (Sandler et al. 2018, arXiv 1801.04381)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from edgekit.zoo.blocks import (
    ConvNormAct,
    GlobalAveragePool,
    Padding,
    check_strides,
    named,
    relu6,
    round_channels,
    scaled_depth,
)
from edgekit.zoo.network import Network

# Table 2 of the paper, rows 2 to 8. The strides are an argument, because small images need some strides to be 1.
#   expand_ratio t, channels c, blocks n
_STAGES = (
    (1, 16, 1),
    (6, 24, 2),
    (6, 32, 3),
    (6, 64, 4),
    (6, 96, 3),
    (6, 160, 3),
    (6, 320, 1),
)
_STRIDES = (1, 2, 2, 2, 1, 2, 1)


class InvertedResidual(nn.Module):
    """A 1x1 expansion, a depthwise 3x3 convolution and a linear 1x1 projection (section 3.3, figure 4b).

    The result is added to the input if the shapes agree.

    Args:
        in_channels: number of input channels.
        out_channels: number of output channels.
        stride: stride of the depthwise convolution.
        expand_ratio: ratio of the expanded to the input channels; 1 for no expansion.
        padding: "symmetric" or "tf_same".
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int, expand_ratio: int, padding: Padding
    ) -> None:
        super().__init__()
        hidden = in_channels * expand_ratio
        layers: dict[str, nn.Module] = {}
        if expand_ratio != 1:
            layers["expand"] = ConvNormAct(in_channels, hidden, kernel=1, activation=relu6)
        layers["depthwise"] = ConvNormAct(
            hidden, hidden, kernel=3, stride=stride, groups=hidden, padding=padding, activation=relu6
        )
        layers["project"] = ConvNormAct(hidden, out_channels, kernel=1, activation=None)
        self.layers = named(layers)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return x + out if self.residual else out


def mobilenet_v2(
    *,
    classes: int = 1000,
    in_channels: int = 3,
    width_mult: float = 1.0,
    depth_mult: float = 1.0,
    padding: Padding = "symmetric",
    stem_stride: int = 2,
    stage_strides: Sequence[int] = _STRIDES,
    dropout: float = 0.2,
) -> Network:
    """Build the network of table 2: stem, 17 inverted residual blocks in 7 stages, 1x1 convolution, average pooling.

    Accepts any input size.

    Args:
        classes: number of classes.
        in_channels: number of input channels.
        width_mult: multiplier of the channels of every layer, except that the last 1x1 convolution never has fewer than
            1280 channels (section 4.2).
        depth_mult: multiplier of the blocks of each stage, which are rounded up.
        padding: "symmetric", or "tf_same" for weights of TensorFlow.
        stem_stride: stride of the stem, 1 or 2.
        stage_strides: stride of each of the seven stages, 1 or 2.
        dropout: dropout probability before the last layer.

    Returns:
        The network in training mode, randomly initialized.

    Raises:
        SpecError: a stride is not 1 or 2, or there are not seven stage strides.
    """
    check_strides(stem_stride, stage_strides, stages=len(_STAGES))
    channels = round_channels(32 * width_mult)
    body: dict[str, nn.Module] = {
        "stem": ConvNormAct(in_channels, channels, kernel=3, stride=stem_stride, padding=padding, activation=relu6)
    }
    for number, ((expand_ratio, width, blocks), stride) in enumerate(zip(_STAGES, stage_strides, strict=True), 1):
        stage = nn.Sequential()
        for block in range(scaled_depth(blocks, depth_mult)):
            out = round_channels(width * width_mult)
            block_stride = stride if block == 0 else 1
            stage.append(
                InvertedResidual(channels, out, stride=block_stride, expand_ratio=expand_ratio, padding=padding)
            )
            channels = out
        body[f"stage{number}"] = stage
    features = round_channels(1280 * max(1.0, width_mult))
    body["last"] = ConvNormAct(channels, features, kernel=1, activation=relu6)
    body["pool"] = GlobalAveragePool()
    return Network(body, {"dropout": nn.Dropout(dropout), "fc": nn.Linear(features, classes)})


def published_keys(*, depth_mult: float = 1.0) -> dict[str, str]:
    """Map torchvision's module paths, the same at every width, to those of this network."""
    keys = {"features.0.0": "body.stem.conv", "features.0.1": "body.stem.norm"}
    number = 1
    for stage, (expand_ratio, _, blocks) in enumerate(_STAGES, 1):
        for block in range(scaled_depth(blocks, depth_mult)):
            published, module = f"features.{number}.conv", f"body.stage{stage}.{block}.layers"
            layers = ["expand", "depthwise"] if expand_ratio != 1 else ["depthwise"]
            for index, layer in enumerate(layers):
                keys[f"{published}.{index}.0"] = f"{module}.{layer}.conv"
                keys[f"{published}.{index}.1"] = f"{module}.{layer}.norm"
            keys[f"{published}.{len(layers)}"] = f"{module}.project.conv"
            keys[f"{published}.{len(layers) + 1}"] = f"{module}.project.norm"
            number += 1
    keys |= {f"features.{number}.0": "body.last.conv", f"features.{number}.1": "body.last.norm"}
    return keys | {"classifier.1": "head.fc"}
