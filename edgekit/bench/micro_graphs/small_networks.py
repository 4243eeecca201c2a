"""Micro-graphs that are whole small networks, of the families that candidates come from.

A chain of one kind of operator finds its code and its weights in the nearest caches. In a network, each operator finds
there what the ones before it left. `scripts/bench_fit.py` compares the predictions for other networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from edgekit.bench.micro_graphs.steps import Chain, MicroGraph

_WEIGHT = 3.0  # there are few of them, and they are what is predicted


class _Blocks(NamedTuple):
    """A network of blocks; each stage has two, of which the first may halve the grid.

    side: rows and columns of its pixels.
    stem: channels, and the stride, of the convolution that reads the pixels.
    stages: channels and stride of each.
    widening: channels inside a block, as a multiple of those that it reads.
    kernel: rows and columns of the depthwise windows; stages take turns with 3.
    activation: after all convolutions but the last of a block.
    gate: activations of the gates in the blocks, or none.
    """

    side: int
    stem: tuple[int, int]
    stages: tuple[tuple[int, int], ...]
    widening: int
    kernel: int
    activation: str
    gate: tuple[str, str] | None = None


_SIGMOID, _HARD = ("silu", "sigmoid"), ("relu", "hard_sigmoid")
_INVERTED = {
    "inverted-160": _Blocks(160, (32, 2), ((24, 2), (40, 2), (80, 2), (112, 1), (192, 2)), 6, 3, "relu6"),
    "inverted-224": _Blocks(224, (16, 2), ((16, 2), (24, 2), (32, 2), (48, 1), (80, 2)), 6, 5, "relu6"),
    "inverted-96": _Blocks(96, (16, 2), ((16, 2), (24, 2), (56, 2), (96, 2)), 6, 5, "relu"),
    "inverted-32": _Blocks(32, (16, 1), ((24, 1), (32, 2), (64, 2)), 4, 3, "relu6"),
    "gated-160": _Blocks(160, (24, 2), ((24, 2), (32, 2), (56, 2), (88, 1), (144, 2)), 6, 5, "relu6", _SIGMOID),
    "gated-192": _Blocks(192, (16, 2), ((16, 2), (24, 2), (40, 2), (56, 1), (96, 2)), 6, 5, "hard_swish", _HARD),
    "gated-128": _Blocks(128, (32, 2), ((24, 2), (40, 2), (80, 2), (112, 1)), 6, 5, "silu", _SIGMOID),
    "gated-64": _Blocks(64, (16, 2), ((24, 2), (40, 2), (64, 2)), 4, 5, "hard_swish", _HARD),
    "gated-24": _Blocks(24, (32, 1), ((24, 1), (40, 2), (80, 2), (192, 2)), 6, 5, "silu", _SIGMOID),
}
# Rows and columns of the pixels, channels of the stem, channels and stride of each block.
_SEPARABLE = {
    "separable-128": (128, 24, ((48, 1), (96, 2), (192, 2), (384, 2), (384, 1), (768, 2))),
    "separable-32": (32, 16, ((32, 1), (64, 2), (128, 1), (256, 2), (256, 1))),
}
# Rows and columns of the pixels, channels of each stage of two blocks; the wide ones are bottlenecks.
_RESIDUAL = {
    "residual-96": (96, (32, 64, 128, 256), False),
    "residual-32": (32, (16, 32, 64), False),
    "bottleneck-128": (128, (32, 64, 128, 256), True),
}


def small_networks() -> Iterator[MicroGraph]:
    """The networks, smaller than candidates are, with shapes that the chains also have."""
    for name, blocks in _INVERTED.items():
        yield _inverted(name, blocks)
    for name, (side, stem, stages) in _SEPARABLE.items():
        chain = _stem(side, stem, 2 if side > 32 else 1, "relu")
        for channels, stride in stages:
            chain.depthwise(stride=stride, activation="relu").conv(channels, activation="relu")
        yield _classified(chain, name)
    for name, (side, widths, is_wide) in _RESIDUAL.items():
        yield _residual(name, side, widths, is_wide=is_wide)


def _inverted(name: str, blocks: _Blocks) -> MicroGraph:
    """Inverted residuals, as in MobileNetV2 and V3 and in EfficientNet."""
    chain = _stem(blocks.side, *blocks.stem, blocks.activation)
    reads = blocks.stem[0]
    for number, (channels, first_stride) in enumerate(blocks.stages):
        for stride in (first_stride, 1):
            start = chain.position
            chain.conv(blocks.widening * reads, activation=blocks.activation)
            chain.depthwise(kernel=(3, blocks.kernel)[number % 2], stride=stride, activation=blocks.activation)
            if blocks.gate:
                inner, outer = blocks.gate
                chain.gate(max(reads // 4 // 8 * 8, 8), inner=inner, outer=outer)
            chain.conv(channels)
            if stride == 1 and channels == reads:
                chain.add(start)
            reads = channels
    chain.conv(4 * reads, activation=blocks.activation)
    return _classified(chain, name)


def _residual(name: str, side: int, widths: tuple[int, ...], *, is_wide: bool) -> MicroGraph:
    """Residual blocks, as in ResNet: two convolutions of 3x3, or one between two pointwise ones."""
    is_photo = side > 32
    chain = Chain("pixels", 3, side)
    chain.conv(widths[0], kernel=7 if is_photo else 3, stride=2 if is_photo else 1, activation="relu")
    if is_photo:
        chain.max_pool()
    reads = widths[0]
    for number, width in enumerate(widths):
        writes = 4 * width if is_wide else width
        for stride in (2 if number else 1, 1):
            start = shortcut = chain.position
            if stride == 2 or reads != writes:
                shortcut = chain.conv(writes, stride=stride).position
                chain.at(start)
            if is_wide:
                chain.conv(width, activation="relu").conv(width, kernel=3, stride=stride, activation="relu")
                chain.conv(writes)
            else:
                chain.conv(width, kernel=3, stride=stride, activation="relu").conv(width, kernel=3)
            chain.add(shortcut).activation("relu")
            reads = writes
    return _classified(chain, name)


def _stem(side: int, channels: int, stride: int, activation: str) -> Chain:
    return Chain("pixels", 3, side).conv(channels, kernel=3, stride=stride, activation=activation)


def _classified(chain: Chain, name: str) -> MicroGraph:
    return chain.mean().linear(10).graph(f"network-{name}", weight=_WEIGHT)
