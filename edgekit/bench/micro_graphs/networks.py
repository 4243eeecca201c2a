"""Micro-graphs that are whole networks, of the families, sizes and depths that candidates have.

A chain of one kind of operator finds its code and its weights in the nearest caches; in a network, each operator finds
there what the ones before it left. So the chains tell how the time of an operator depends on its shape, and the
networks how long operators take in one. `scripts/bench_fit.py` compares the predictions for other networks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from edgekit.bench.micro_graphs.steps import Chain, MicroGraph

_WEIGHT = 6.0  # there are few of them, and they are what is predicted
_CLASSES = 10


class _Stage(NamedTuple):
    """Blocks with the same number of output channels.

    channels: that each block writes.
    blocks: number of them.
    stride: of the first block.
    inside: channels between the first and the last convolution of a block, as a multiple of those that it reads; with
        1, there is no first convolution.
    kernel: rows and columns of the depthwise windows.
    gated: whether the blocks have squeeze and excitation.
    """

    channels: int
    blocks: int
    stride: int
    inside: float = 6
    kernel: int = 3
    gated: bool = False


class _Family(NamedTuple):
    """Networks of inverted residuals.

    stem: channels of the convolution that reads the pixels, with a stride of 2.
    stages: from the input to the output.
    last: channels of the convolution before the mean.
    scales_stem, scales_last: whether the width changes these.
    gate: activations in a gate.
    squeezed: channels in a gate, as a share of the channels inside the block.
    dense: channels of a layer between the mean and the classes, or none.
    """

    stem: int
    stages: tuple[_Stage, ...]
    last: int
    scales_stem: bool = True
    scales_last: bool = True
    gate: tuple[str, str] = ("silu", "sigmoid")
    squeezed: float = 1 / 24
    dense: int = 0


_LINEAR = (
    _Stage(16, 1, 1, 1), _Stage(24, 2, 2), _Stage(32, 3, 2), _Stage(64, 4, 2), _Stage(96, 3, 1), _Stage(160, 3, 2),
    _Stage(320, 1, 1),
)  # fmt: skip
_EFFICIENT = (
    _Stage(16, 1, 1, 1), _Stage(24, 2, 2), _Stage(40, 2, 2, 6, 5), _Stage(80, 3, 2), _Stage(112, 3, 1, 6, 5),
    _Stage(192, 4, 2, 6, 5), _Stage(320, 1, 1),
)  # fmt: skip
# The number of channels inside varies from block to block in MobileNetV3; these are means.
_SMALL = (
    _Stage(16, 1, 2, 1, 3, True), _Stage(24, 2, 2, 4), _Stage(40, 3, 2, 5, 5, True), _Stage(48, 2, 1, 3, 5, True),
    _Stage(96, 3, 2, 6, 5, True),
)  # fmt: skip
_LARGE = (
    _Stage(16, 1, 1, 1), _Stage(24, 2, 2, 3.5), _Stage(40, 3, 2, 3, 5, True), _Stage(80, 4, 2, 2.75),
    _Stage(112, 2, 1, 6, 3, True), _Stage(160, 3, 2, 6, 5, True),
)  # fmt: skip
_HARD = ("relu", "hard_sigmoid")
_FAMILIES: Mapping[str, _Family] = {
    "mobilenet-v2": _Family(32, _LINEAR, 1280, scales_last=False),
    "mobilenet-v3-small": _Family(16, _SMALL, 576, gate=_HARD, squeezed=1 / 4, dense=1024),
    "mobilenet-v3-large": _Family(16, _LARGE, 960, gate=_HARD, squeezed=1 / 4, dense=1280),
    "efficientnet": _Family(32, tuple(stage._replace(gated=True) for stage in _EFFICIENT), 1280),
    "efficientnet-lite": _Family(32, _EFFICIENT, 1280, scales_stem=False, scales_last=False),
}
# Family, rows and columns of the pixels, width, depth, product of all strides, activation.
_INVERTED = (
    ("mobilenet-v2", 208, 1.0, 1.0, 32, "relu6"),
    ("mobilenet-v2", 224, 0.35, 1.0, 32, "relu6"),
    ("mobilenet-v2", 160, 0.75, 0.5, 32, "relu6"),
    ("mobilenet-v2", 112, 1.0, 1.4, 32, "relu6"),
    ("mobilenet-v2", 96, 0.5, 1.0, 32, "relu6"),
    ("mobilenet-v2", 48, 0.35, 1.4, 8, "relu6"),
    ("mobilenet-v2", 32, 1.0, 0.5, 8, "relu6"),
    ("efficientnet-lite", 48, 1.2, 1.4, 8, "relu6"),
    ("efficientnet-lite", 240, 0.5, 1.0, 32, "relu6"),
    ("efficientnet-lite", 160, 1.0, 0.5, 32, "relu6"),
    ("efficientnet-lite", 128, 0.35, 1.4, 32, "relu6"),
    ("efficientnet-lite", 64, 0.75, 1.0, 16, "relu6"),
    ("efficientnet-lite", 32, 0.5, 1.0, 8, "relu6"),
    ("efficientnet", 176, 1.0, 1.4, 32, "silu"),
    ("efficientnet", 240, 0.35, 1.0, 32, "silu"),
    ("efficientnet", 192, 0.75, 1.4, 32, "silu"),
    ("efficientnet", 128, 0.5, 0.5, 32, "silu"),
    ("efficientnet", 64, 1.0, 1.0, 16, "silu"),
    ("efficientnet", 40, 0.35, 1.4, 8, "silu"),
    ("efficientnet", 24, 0.75, 0.5, 4, "silu"),
    ("efficientnet", 208, 1.0, 1.0, 32, "relu6"),
    ("efficientnet", 224, 0.5, 1.0, 32, "relu6"),
    ("efficientnet", 160, 0.35, 1.4, 32, "relu6"),
    ("efficientnet", 112, 0.75, 1.0, 32, "relu6"),
    ("efficientnet", 48, 0.5, 0.5, 16, "relu6"),
    ("efficientnet", 32, 0.35, 1.0, 8, "relu6"),
    ("efficientnet", 192, 0.5, 0.5, 32, "hard_swish"),
    ("efficientnet", 96, 0.5, 1.4, 32, "hard_swish"),
    ("efficientnet", 64, 0.35, 1.0, 16, "hard_swish"),
    ("mobilenet-v3-small", 224, 0.75, 1.0, 32, "hard_swish"),
    ("mobilenet-v3-small", 128, 1.0, 0.6, 32, "relu6"),
    ("mobilenet-v3-small", 64, 0.5, 1.0, 16, "hard_swish"),
    ("mobilenet-v3-small", 32, 0.75, 1.0, 8, "relu6"),
    ("mobilenet-v3-large", 192, 0.5, 1.0, 32, "relu6"),
    ("mobilenet-v3-large", 112, 0.75, 1.0, 32, "hard_swish"),
    ("mobilenet-v3-large", 40, 0.35, 1.0, 8, "hard_swish"),
)
# Rows and columns of the pixels, width, depth, product of all strides.
_SEPARABLE = (
    (224, 0.5, 1.0, 32), (192, 0.25, 1.0, 32), (128, 0.5, 0.5, 32), (48, 1.0, 0.5, 16), (32, 0.75, 1.0, 4),
    (32, 0.25, 0.5, 8),
)  # fmt: skip
_SEPARABLE_STRIDES = (2, 1, 2, 2, 2, 2)  # of the stem and the stages
# Rows and columns of the pixels, channels of the first stage, blocks of each, whether they are bottlenecks.
_RESIDUAL = (
    (208, 64, (2, 2, 2, 2), False),
    (160, 40, (2, 2, 2, 2), False),
    (160, 16, (2, 2, 2, 2), False),
    (112, 48, (1, 1, 1, 1), False),
    (64, 32, (3, 4, 6, 3), False),
    (128, 16, (3, 4, 6, 3), True),
)
# The same with three stages of 3x3 convolutions, and shortcuts without weights. The last number is of one stage.
_RESIDUAL_SMALL = ((32, 16, 3), (40, 8, 6), (24, 32, 1))


def networks() -> Iterator[MicroGraph]:
    """The networks."""
    for family, side, width, depth, total_stride, activation in _INVERTED:
        chain = _inverted(_FAMILIES[family], side, width, depth, total_stride, activation)
        yield _classified(chain, f"{family}-{side}-{width:g}-{depth:g}-{total_stride}-{activation}")
    for side, width, depth, total_stride in _SEPARABLE:
        chain = _separable(side, width, depth, total_stride)
        yield _classified(chain, f"mobilenet-v1-{side}-{width:g}-{depth:g}-{total_stride}")
    for side, channels, blocks, is_wide in _RESIDUAL:
        widths = [channels * 2**number for number in range(len(blocks))]
        chain = Chain("pixels", 3, side).conv(channels, kernel=7, stride=2, activation="relu").max_pool()
        _residual(chain, widths, blocks, is_wide=is_wide)
        yield _classified(chain, f"resnet-{side}-{channels}-{sum(blocks)}{'-bottleneck' if is_wide else ''}")
    for side, channels, each in _RESIDUAL_SMALL:
        chain = Chain("pixels", 3, side).conv(channels, kernel=3, activation="relu")
        _residual(chain, [channels, 2 * channels, 4 * channels], [each] * 3, has_projections=False)
        yield _classified(chain, f"resnet-small-{side}-{channels}-{3 * each}")


def _inverted(family: _Family, side: int, width: float, depth: float, total_stride: int, activation: str) -> Chain:
    """Inverted residuals, as in MobileNetV2 and V3 and in EfficientNet."""
    stem_stride, *strides = _strides([2, *(stage.stride for stage in family.stages)], total_stride)
    reads = _rounded(family.stem * (width if family.scales_stem else 1))
    chain = Chain("pixels", 3, side).conv(reads, kernel=3, stride=stem_stride, activation=activation)
    for stage, first_stride in zip(family.stages, strides, strict=True):
        writes = _rounded(width * stage.channels)
        for number in range(math.ceil(depth * stage.blocks)):
            start, stride, inside = chain.position, 1 if number else first_stride, reads
            if stage.inside > 1:
                inside = _rounded(stage.inside * reads)
                chain.conv(inside, activation=activation)
            chain.depthwise(kernel=stage.kernel, stride=stride, activation=activation)
            if stage.gated:
                inner, outer = family.gate
                chain.gate(max(round(family.squeezed * inside), 1), inner=inner, outer=outer)
            chain.conv(writes)
            if stride == 1 and reads == writes:
                chain.add(start)
            reads = writes
    chain.conv(_rounded(family.last * (width if family.scales_last else 1)), activation=activation).mean()
    if family.dense:
        chain.linear(_rounded(width * family.dense)).activation(activation)
    return chain


def _separable(side: int, width: float, depth: float, total_stride: int) -> Chain:
    """Depthwise and pointwise convolutions in turn, as in MobileNetV1."""
    stem_stride, *strides = _strides(_SEPARABLE_STRIDES, total_stride)
    chain = Chain("pixels", 3, side).conv(_rounded(32 * width), kernel=3, stride=stem_stride, activation="relu")
    for channels, blocks, stride in zip((64, 128, 256, 512, 1024), (1, 2, 2, 6, 2), strides, strict=True):
        for number in range(math.ceil(depth * blocks)):
            chain.depthwise(stride=1 if number else stride, activation="relu")
            chain.conv(_rounded(channels * width), activation="relu")
    return chain.mean()


def _residual(
    chain: Chain, widths: Sequence[int], blocks: Sequence[int], *, is_wide: bool = False, has_projections: bool = True
) -> None:
    """Residual blocks, as in ResNet: two convolutions of 3x3, or one between two pointwise ones."""
    reads = widths[0]
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        writes = 4 * width if is_wide else width
        for number in range(count):
            start, stride = chain.position, 2 if stage and not number else 1
            if is_wide:
                chain.conv(width, activation="relu").conv(width, kernel=3, stride=stride, activation="relu")
                chain.conv(writes)
            else:
                chain.conv(width, kernel=3, stride=stride, activation="relu").conv(width, kernel=3)
            main = shortcut = chain.position
            chain.at(start)
            if stride == 1 and reads == writes:
                shortcut = start
            elif has_projections:
                shortcut = chain.conv(writes, stride=stride).position
            else:
                shortcut = chain.pad(writes).position
            chain.at(main).add(shortcut).activation("relu")
            reads = writes
    chain.mean()


def _strides(strides: Sequence[int], product: int) -> list[int]:
    """Strides of the stem and the stages for small images, as in `fit.space`.

    That of the stem becomes 1 first, then those of the stages other than the last two, from the back.
    """
    remaining = list(strides)
    strided = [place for place, stride in enumerate(strides) if stride == 2]
    for place in (0, *reversed(strided[1:-2])):
        if math.prod(remaining) <= product:
            break
        remaining[place] = 1
    return remaining


def _rounded(channels: float) -> int:
    """To the nearest multiple of 8 that is no more than a tenth below."""
    nearest = max(int(channels + 4) // 8 * 8, 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


def _classified(chain: Chain, name: str) -> MicroGraph:
    return chain.linear(_CLASSES).graph(f"network-{name}", weight=_WEIGHT)
