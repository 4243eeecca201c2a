"""ResNet: Deep Residual Learning for Image Recognition (He et al. 2015, arXiv 1512.03385), with its plain networks."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.errors import SpecError, unknown
from edgekit.zoo.blocks import ConvNormAct, GlobalAveragePool, he_normal, named, relu
from edgekit.zoo.network import Network

Shortcut: TypeAlias = Literal["projection", "zero_pad"]

# Table 1 of the paper: the blocks of conv2_x to conv5_x, and whether they are bottlenecks.
_BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
_WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4  # of a bottleneck's output over its width


def _is_bottleneck(depth: int) -> bool:
    return depth >= 50


class ZeroPad(nn.Module):
    """Option A: a shortcut without parameters, every `stride`-th position, and channels of zeros after its own.

    Section 3.3: the fixed zero-padding matrix where a projection would learn one.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.stride, self.extra = stride, out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


class ResidualBlock(nn.Module):
    """relu(layers(x) + shortcut(x)), or relu(layers(x)) in a plain network, whose `shortcut` is None. Figure 5."""

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
    """3x3, 3x3; or 1x1, 3x3, 1x1 to four times the width. The last has no activation: the block's comes after it."""
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
    """An identity where the shapes agree; a projection (the paper's option B) or zero padding (A) where not."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if kind == "projection":
        return ConvNormAct(in_channels, out_channels, kernel=1, stride=stride, activation=None)
    return ZeroPad(in_channels, out_channels, stride=stride)


def _stage(
    in_channels: int, width: int, *, blocks: int, stride: int, bottleneck: bool, shortcut: Shortcut | None
) -> nn.Sequential:
    """Blocks of one width, the first with the stride; without shortcuts when `shortcut` is None."""
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
    skip: bool = True,
    shortcut: Shortcut = "projection",
) -> Network:
    """The network of table 1 with `depth` (18, 34, 50, 101 or 152) layers that learn.

    skip=False: the plain network of the same layers (figure 3, middle). shortcut: where a block changes the shape.
    Any input size works. Departure from the paper: a bottleneck's stride is in its 3x3 convolution, not in the first
    1x1, which would drop three of four positions unseen; the published weights are trained so.
    Raises SpecError for an unknown depth or shortcut.
    """
    if depth not in _BLOCKS:
        raise SpecError(unknown("depth", str(depth), map(str, _BLOCKS)))
    kind, bottleneck = _checked_shortcut(shortcut) if skip else None, _is_bottleneck(depth)
    body: dict[str, nn.Module] = {
        "conv1": ConvNormAct(in_channels, 64, kernel=7, stride=2),
        "pool1": nn.MaxPool2d(3, stride=2, padding=1),
    }
    channels = 64
    for number, (blocks, width) in enumerate(zip(_BLOCKS[depth], _WIDTHS, strict=True), 2):
        stride = 1 if number == 2 else 2
        body[f"conv{number}_x"] = _stage(
            channels, width, blocks=blocks, stride=stride, bottleneck=bottleneck, shortcut=kind
        )
        channels = width * _EXPANSION if bottleneck else width
    body["pool"] = GlobalAveragePool()
    return he_normal(Network(body, {"fc": nn.Linear(channels, classes)}))


def cifar_resnet(
    *,
    depth: int,
    classes: int = 10,
    in_channels: int = 3,
    skip: bool = True,
    shortcut: Shortcut = "zero_pad",
) -> Network:
    """The small form of section 4.2: 3x3 convolutions at 32x32, 16x16 and 8x8, of 16, 32 and 64 channels.

    depth: 6n + 2 layers that learn (20, 32, 44, 56, 110 in the paper). skip=False: without the shortcuts, which are
    option A in the paper. Any input size works. Raises SpecError for another depth or an unknown shortcut.
    """
    if depth < 8 or depth % 6 != 2:
        raise SpecError(f"depth must be 6n + 2, such as 20, 32, 44 or 56, not {depth}")
    kind, blocks = _checked_shortcut(shortcut) if skip else None, (depth - 2) // 6
    body: dict[str, nn.Module] = {"conv1": ConvNormAct(in_channels, 16, kernel=3)}
    channels = 16
    for number, (width, stride) in enumerate(((16, 1), (32, 2), (64, 2)), 2):
        body[f"conv{number}_x"] = _stage(channels, width, blocks=blocks, stride=stride, bottleneck=False, shortcut=kind)
        channels = width
    body["pool"] = GlobalAveragePool()
    return he_normal(Network(body, {"fc": nn.Linear(channels, classes)}))


def _checked_shortcut(shortcut: Shortcut) -> Shortcut:
    if shortcut not in ("projection", "zero_pad"):
        raise SpecError(unknown("shortcut", str(shortcut), ("projection", "zero_pad")))
    return shortcut


def published_keys(*, depth: int, skip: bool = True) -> dict[str, str]:
    """Module paths of torchvision's layout, each with ours; empty for the networks that it does not have."""
    if depth not in _BLOCKS or not skip:
        return {}
    keys = {"conv1": "body.conv1.conv", "bn1": "body.conv1.norm", "fc": "head.fc"}
    convolutions = (1, 2, 3) if _is_bottleneck(depth) else (1, 2)
    for stage, blocks in enumerate(_BLOCKS[depth], 1):
        for block in range(blocks):
            theirs, ours = f"layer{stage}.{block}", f"body.conv{stage + 1}_x.{block}"
            for at in convolutions:
                keys[f"{theirs}.conv{at}"] = f"{ours}.layers.conv{at}.conv"
                keys[f"{theirs}.bn{at}"] = f"{ours}.layers.conv{at}.norm"
            if block == 0 and (stage > 1 or _is_bottleneck(depth)):
                keys |= {
                    f"{theirs}.downsample.0": f"{ours}.shortcut.conv",
                    f"{theirs}.downsample.1": f"{ours}.shortcut.norm",
                }
    return keys
