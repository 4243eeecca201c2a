"""ResNet: Deep Residual Learning for Image Recognition (He et al. 2015, arXiv 1512.03385), with its plain networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.errors import SpecError, must_be, unknown
from edgekit.zoo.blocks import (
    ConvNormAct,
    GlobalAveragePool,
    check_strides,
    he_normal,
    named,
    relu,
    round_channels,
    scaled_depth,
)
from edgekit.zoo.network import Network

Shortcut: TypeAlias = Literal["projection", "zero_pad"]

# Table 1 of the paper: the number of blocks of conv2_x to conv5_x.
_BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
_WIDTHS = (64, 128, 256, 512)
_CIFAR_WIDTHS = (16, 32, 64)  # section 4.2
_EXPANSION = 4  # ratio of a bottleneck's output channels to its width


def _is_bottleneck(depth: int) -> bool:
    return depth >= 50


class ZeroPad(nn.Module):
    """Option A of section 3.3: a shortcut without parameters that subsamples the input and appends zero channels.

    Args:
        in_channels: number of input channels.
        out_channels: number of output channels.
        stride: it keeps every `stride`-th row and column.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.stride, self.extra = stride, out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


class ResidualBlock(nn.Module):
    """relu(layers(x) + shortcut(x)), or relu(layers(x)) if `shortcut` is None, as in a plain network (figure 5)."""

    def __init__(self, layers: nn.Sequential, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.layers = layers
        self.shortcut = shortcut
        self.act = relu()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        if self.shortcut is not None:
            out = out + self.shortcut(x)
        activated: Tensor = self.act(out)
        return activated


def _layers(in_channels: int, width: int, *, stride: int, bottleneck: bool) -> nn.Sequential:
    """Two 3x3 convolutions, or 1x1, 3x3 and 1x1 to four times the width. The activation of the last is the block's."""
    if not bottleneck:
        first = ConvNormAct(in_channels, width, kernel=3, stride=stride)
        return named({"conv1": first, "conv2": ConvNormAct(width, width, kernel=3, activation=None)})
    return named(
        {
            "conv1": ConvNormAct(in_channels, width, kernel=1),
            "conv2": ConvNormAct(width, width, kernel=3, stride=stride),
            "conv3": ConvNormAct(width, width * _EXPANSION, kernel=1, activation=None),
        }
    )


def _shortcut(kind: Shortcut, in_channels: int, out_channels: int, *, stride: int) -> nn.Module:
    """An identity if the shapes agree; otherwise a projection (the paper's option B) or zero padding (option A)."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if kind == "projection":
        return ConvNormAct(in_channels, out_channels, kernel=1, stride=stride, activation=None)
    return ZeroPad(in_channels, out_channels, stride=stride)


def _stages(
    widths: Sequence[int],
    *,
    blocks: Sequence[int],
    strides: Sequence[int],
    bottleneck: bool,
    shortcut: Shortcut | None,
) -> dict[str, nn.Module]:
    """conv2_x and so on; the first accepts as many channels as it is wide."""
    stages: dict[str, nn.Module] = {}
    channels = widths[0]
    for number, (width, count, stride) in enumerate(zip(widths, blocks, strides, strict=True), 2):
        stages[f"conv{number}_x"] = _stage(
            channels, width, blocks=count, stride=stride, bottleneck=bottleneck, shortcut=shortcut
        )
        channels = width * _EXPANSION if bottleneck else width
    return stages


def _stage(
    in_channels: int, width: int, *, blocks: int, stride: int, bottleneck: bool, shortcut: Shortcut | None
) -> nn.Sequential:
    """Blocks of one width, of which the first has the stride; without shortcuts if `shortcut` is None."""
    out_channels = width * _EXPANSION if bottleneck else width
    stage = nn.Sequential()
    for block in range(blocks):
        block_stride = stride if block == 0 else 1
        layers = _layers(in_channels, width, stride=block_stride, bottleneck=bottleneck)
        path = None if shortcut is None else _shortcut(shortcut, in_channels, out_channels, stride=block_stride)
        stage.append(ResidualBlock(layers, path))
        in_channels = out_channels
    return stage


def resnet(
    *,
    depth: int,
    classes: int = 1000,
    in_channels: int = 3,
    width_mult: float = 1.0,
    depth_mult: float = 1.0,
    stem_stride: int = 2,
    stage_strides: Sequence[int] = (2, 2, 2, 2),
    skip: bool = True,
    shortcut: Shortcut = "projection",
) -> Network:
    """Build a network of table 1.

    Accepts any input size. Departure from the paper: the stride of a bottleneck is in its 3x3 convolution, not in the
    first 1x1, which would discard three of four positions; the published weights were trained this way.

    Args:
        depth: number of layers with weights, before `depth_mult`: 18, 34, 50, 101 or 152.
        classes: number of classes.
        in_channels: number of input channels.
        width_mult: multiplier of the channels of every layer, which are rounded to multiples of 8.
        depth_mult: multiplier of the blocks of each stage, which are rounded up.
        stem_stride: stride of conv1, 1 or 2.
        stage_strides: stride of each of the four stages conv2_x to conv5_x, 1 or 2. That of conv2_x belongs to its max
            pooling, which 1 leaves out.
        skip: False builds the plain network with the same layers but no shortcuts (figure 3, middle).
        shortcut: "projection" or "zero_pad", for blocks that change the shape.

    Returns:
        The network in training mode, randomly initialized.

    Raises:
        SpecError: `depth` or `shortcut` is unknown, a stride is not 1 or 2, or there are not four stage strides.
    """
    if depth not in _BLOCKS:
        raise SpecError(unknown("depth", str(depth), map(str, _BLOCKS)))
    check_strides(stem_stride, stage_strides, stages=len(_WIDTHS))
    pool_stride, *strides = stage_strides
    widths, bottleneck = [round_channels(width * width_mult) for width in _WIDTHS], _is_bottleneck(depth)
    body: dict[str, nn.Module] = {"conv1": ConvNormAct(in_channels, widths[0], kernel=7, stride=stem_stride)}
    if pool_stride > 1:
        body["pool1"] = nn.MaxPool2d(3, stride=pool_stride, padding=1)
    stages = _stages(
        widths,
        blocks=[scaled_depth(blocks, depth_mult) for blocks in _BLOCKS[depth]],
        strides=[1, *strides],
        bottleneck=bottleneck,
        shortcut=_checked_shortcut(shortcut) if skip else None,
    )
    features = widths[-1] * _EXPANSION if bottleneck else widths[-1]
    return _with_head(body | stages, features, classes=classes)


def cifar_resnet(
    *,
    depth: int,
    classes: int = 10,
    in_channels: int = 3,
    width_mult: float = 1.0,
    depth_mult: float = 1.0,
    stem_stride: int = 1,
    stage_strides: Sequence[int] = (1, 2, 2),
    skip: bool = True,
    shortcut: Shortcut = "zero_pad",
) -> Network:
    """Build the CIFAR-10 network of section 4.2: 3x3 convolutions of 16, 32 and 64 channels at 32x32, 16x16 and 8x8.

    Accepts any input size.

    Args:
        depth: number of layers with weights, 6n + 2, before `depth_mult`: 20, 32, 44, 56 or 110 in the paper.
        classes: number of classes.
        in_channels: number of input channels.
        width_mult: multiplier of the channels of every layer, which are rounded to multiples of 8.
        depth_mult: multiplier of the n blocks of each stage, which are rounded up.
        stem_stride: stride of conv1, 1 or 2.
        stage_strides: stride of each of the three stages, 1 or 2.
        skip: False builds the plain network with the same layers but no shortcuts.
        shortcut: "zero_pad" (the paper's option A) or "projection", for blocks that change the shape.

    Returns:
        The network in training mode, randomly initialized.

    Raises:
        SpecError: `depth` is not 6n + 2, `shortcut` is unknown, a stride is not 1 or 2, or there are not three stage
            strides.
    """
    if depth < 8 or depth % 6 != 2:
        raise SpecError(must_be("depth", "6n + 2, such as 20, 32, 44 or 56", depth))
    check_strides(stem_stride, stage_strides, stages=len(_CIFAR_WIDTHS))
    widths = [round_channels(width * width_mult) for width in _CIFAR_WIDTHS]
    body: dict[str, nn.Module] = {"conv1": ConvNormAct(in_channels, widths[0], kernel=3, stride=stem_stride)}
    stages = _stages(
        widths,
        blocks=[scaled_depth((depth - 2) // 6, depth_mult)] * len(widths),
        strides=stage_strides,
        bottleneck=False,
        shortcut=_checked_shortcut(shortcut) if skip else None,
    )
    return _with_head(body | stages, widths[-1], classes=classes)


def _with_head(body: dict[str, nn.Module], features: int, *, classes: int) -> Network:
    """The initialized network with average pooling and a classifier after its stages."""
    return he_normal(Network(body | {"pool": GlobalAveragePool()}, {"fc": nn.Linear(features, classes)}))


def _checked_shortcut(shortcut: Shortcut) -> Shortcut:
    if shortcut not in ("projection", "zero_pad"):
        raise SpecError(unknown("shortcut", str(shortcut), ("projection", "zero_pad")))
    return shortcut


def published_keys(*, depth: int, depth_mult: float = 1.0, skip: bool = True) -> dict[str, str]:
    """Map torchvision's module paths to those of this network; empty for networks that torchvision does not have."""
    if depth not in _BLOCKS or not skip:
        return {}
    keys = {"conv1": "body.conv1.conv", "bn1": "body.conv1.norm", "fc": "head.fc"}
    convolutions = (1, 2, 3) if _is_bottleneck(depth) else (1, 2)
    for stage, blocks in enumerate(_BLOCKS[depth], 1):
        for block in range(scaled_depth(blocks, depth_mult)):
            published, module = f"layer{stage}.{block}", f"body.conv{stage + 1}_x.{block}"
            for number in convolutions:
                keys[f"{published}.conv{number}"] = f"{module}.layers.conv{number}.conv"
                keys[f"{published}.bn{number}"] = f"{module}.layers.conv{number}.norm"
            if block == 0 and (stage > 1 or _is_bottleneck(depth)):
                keys |= {
                    f"{published}.downsample.0": f"{module}.shortcut.conv",
                    f"{published}.downsample.1": f"{module}.shortcut.norm",
                }
    return keys
