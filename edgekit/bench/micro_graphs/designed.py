"""The micro-graphs: shapes on the road from the largest grids with few channels to the smallest with many.

Each is a chain in which one kind of operator, or two, take nearly all of the time. Networks of width multipliers have
channels that are multiples of 8; grids are those of inputs from 32 to 288 pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from edgekit.bench.micro_graphs.networks import networks
from edgekit.bench.micro_graphs.steps import Chain, MicroGraph

# Rows and columns, channels of the narrow side, channels of the wide side.
_POINTWISE = (
    (112, 16, 96), (112, 32, 16), (80, 24, 64), (56, 24, 144), (56, 64, 128), (56, 40, 120),
    (56, 16, 16), (40, 48, 48), (32, 16, 96), (28, 32, 192), (28, 40, 240), (28, 128, 256), (28, 24, 72), (20, 56, 336),
    (16, 128, 128), (14, 64, 384), (14, 96, 576), (14, 256, 512), (14, 80, 480), (14, 40, 120), (10, 112, 672),
    (8, 48, 288), (8, 96, 96), (7, 160, 960), (7, 512, 1024), (7, 192, 1152), (7, 88, 528), (7, 320, 1280),
    (5, 120, 720), (4, 64, 384), (4, 160, 960), (3, 96, 576), (2, 160, 960), (2, 320, 1280),
)  # fmt: skip
# Rows and columns, channels.
_DEPTHWISE_3 = (
    (112, 32), (112, 96), (96, 16), (80, 24), (56, 128), (56, 144), (48, 56), (28, 192), (28, 64), (28, 240), (20, 120),
    (14, 384), (14, 576), (14, 72), (10, 480), (7, 960), (7, 288), (5, 672), (4, 384), (2, 960),
)  # fmt: skip
_DEPTHWISE_5 = (
    (56, 72), (40, 144), (28, 240), (28, 120), (20, 96), (14, 672), (14, 240), (10, 336), (7, 960), (7, 576), (4, 528),
    (2, 1152),
)  # fmt: skip
_DOWN = ((112, 96, 3), (80, 64, 3), (56, 144, 3), (56, 144, 5), (28, 240, 3), (28, 240, 5), (14, 576, 3), (14, 672, 5),
         (16, 192, 3), (8, 288, 5))  # fmt: skip
# The same with fewer channels than a block on the narrow side, as in networks of width 0.25.
_NARROW = ((112, 8, 16), (112, 8, 48), (96, 8, 24), (56, 8, 48), (48, 8, 96), (32, 8, 32), (28, 8, 48), (14, 8, 72))
# What only reads many channels, or only writes them: chains above do both.
_ONE_WAY = ((112, 16, 96), (112, 16, 32), (56, 24, 144), (56, 48, 64), (28, 40, 240), (28, 64, 384), (14, 96, 576),
            (14, 48, 288), (7, 160, 960), (4, 96, 576))  # fmt: skip
_DENSE = ((56, 64), (56, 24), (32, 16), (32, 32), (28, 128), (28, 48), (16, 64), (14, 256), (14, 96), (8, 128),
          (7, 512), (7, 160), (7, 256), (6, 256), (4, 256), (4, 512), (3, 512), (2, 256))  # fmt: skip
_STEMS = ((224, 3, 32, 3, 2), (192, 3, 16, 3, 2), (160, 3, 64, 7, 2), (128, 3, 24, 3, 2), (96, 3, 32, 3, 2),
          (64, 3, 16, 3, 1), (32, 3, 32, 3, 1), (32, 3, 16, 3, 2), (28, 1, 16, 3, 1))  # fmt: skip
_GATES = ((56, 72), (56, 32), (28, 240), (14, 480), (14, 96), (7, 1152), (7, 576), (4, 672), (28, 120))
# Gates of narrow networks, where calls take more than arithmetic.
_SMALL_GATES = ((24, 16), (12, 24), (6, 40), (6, 144), (3, 144), (3, 64), (2, 576), (12, 96))
_HEADS = ((7, 1280, 1000), (7, 1280, 10), (5, 640, 100), (4, 1024, 1000), (2, 512, 10), (7, 512, 1000), (8, 64, 10))
_CURVES = ((112, 32), (56, 144), (28, 240), (14, 480), (7, 960), (4, 288))


def micro_graphs(precision: str) -> tuple[MicroGraph, ...]:
    """The micro-graphs of a precision.

    Args:
        precision: "float32" or "int8".
    """
    convolutions = (_pointwise(), _one_way(), _depthwise(), _dense(), _stems(precision))
    parts = (*convolutions, _gates(), _small_gates(), _heads(), _curves(), _others(), networks())
    return tuple(graph for part in parts for graph in part)


def design(precision: str) -> str:
    """A short digest of the micro-graphs: times of others cannot be used in their place.

    Args:
        precision: "float32" or "int8".
    """
    return hashlib.sha256(repr(micro_graphs(precision)).encode()).hexdigest()[:12]


def _pointwise() -> Iterator[MicroGraph]:
    for side, narrow, wide in (*_POINTWISE, *_NARROW):
        chain = Chain("input", narrow, side).conv(wide, activation="relu6").conv(narrow)
        for _ in range(2):
            chain.conv(wide, activation="relu6").conv(narrow)
        yield chain.mean().graph(f"pointwise-{side}-{narrow}-{wide}")


def _one_way() -> Iterator[MicroGraph]:
    for side, narrow, wide in _ONE_WAY:
        yield Chain("input", narrow, side).conv(wide, activation="relu6").mean().graph(f"expand-{side}-{narrow}-{wide}")
        yield Chain("input", wide, side).conv(narrow).mean().graph(f"reduce-{side}-{wide}-{narrow}")
        chain = Chain("input", wide, side).depthwise(activation="relu6")
        yield chain.mean().graph(f"depthwise-once-{side}-{wide}")


def _depthwise() -> Iterator[MicroGraph]:
    for kernel, shapes in ((3, _DEPTHWISE_3), (5, _DEPTHWISE_5)):
        for side, channels in shapes:
            chain = Chain("input", channels, side)
            for _ in range(6):
                chain.depthwise(kernel=kernel, activation="relu6")
            yield chain.mean().graph(f"depthwise-{kernel}-{side}-{channels}")
    for side, channels, kernel in _DOWN:
        chain = Chain("input", channels, side)
        for _ in range(3):
            chain.depthwise(kernel=kernel, stride=2, activation="relu6")
        yield chain.mean().graph(f"depthwise-down-{kernel}-{side}-{channels}")


def _dense() -> Iterator[MicroGraph]:
    for side, channels in _DENSE:
        chain = Chain("input", channels, side).conv(channels)  # sums are computed with a convolution from blocks only
        for _ in range(2):
            block = chain.position
            chain.conv(channels, kernel=3, activation="relu").conv(channels, kernel=3).add(block).activation("relu")
        yield chain.mean().graph(f"dense-{side}-{channels}")
    for side, channels in ((56, 64), (32, 16), (28, 128), (14, 256)):
        chain = Chain("input", channels, side).conv(2 * channels, kernel=3, stride=2, activation="relu")
        yield chain.mean().graph(f"dense-down-{side}-{channels}")
        chain = Chain("input", channels, side).conv(2 * channels, stride=2).conv(4 * channels, stride=2)
        yield chain.mean().graph(f"pointwise-down-{side}-{channels}")


def _stems(precision: str) -> Iterator[MicroGraph]:
    for side, colors, channels, kernel, stride in _STEMS:
        chain = Chain("pixels", colors, side).conv(channels, kernel=kernel, stride=stride, activation="relu")
        if kernel == 7:
            chain.max_pool()
        yield chain.mean().graph(f"stem-{side}-{colors}-{channels}-{kernel}-{stride}")
        if precision == "int8" and side % 4 == 0:  # four pixels at once, see quantize.passes.group_stem
            columns = 4 // stride
            chain = Chain("pixels", colors, side).regroup(4 * colors)
            chain.conv(columns * channels, kernel=(kernel, 2 + (kernel > 4 or stride == 1)), stride=(stride, 1))
            chain.regroup(channels)
            yield chain.mean().graph(f"stem-grouped-{side}-{colors}-{channels}-{kernel}-{stride}")


def _gates() -> Iterator[MicroGraph]:
    for index, (side, channels) in enumerate(_GATES):
        inner, outer = (("relu", "hard_sigmoid"), ("silu", "sigmoid"))[index % 2]
        chain = Chain("input", channels, side)
        for _ in range(2):
            chain.depthwise(activation="relu").gate(channels // (4 if index % 3 else 24), inner=inner, outer=outer)
        yield chain.mean().graph(f"gate-{side}-{channels}")


def _small_gates() -> Iterator[MicroGraph]:
    for index, (side, channels) in enumerate(_SMALL_GATES):
        inner, outer = (("relu", "hard_sigmoid"), ("silu", "sigmoid"))[index % 2]
        chain = Chain("input", channels, side)
        for _ in range(3):
            chain.conv(channels).gate(-(-channels // 32) * 8, inner=inner, outer=outer)
        yield chain.mean().graph(f"small-gate-{side}-{channels}")


def _heads() -> Iterator[MicroGraph]:
    for side, channels, classes in _HEADS:
        chain = Chain("input", channels // 4, side).conv(channels, activation="relu6").mean().linear(classes)
        yield chain.graph(f"head-{side}-{channels}-{classes}")
    for channels, hidden, activation in (
        (576, 1024, "hard_swish"),
        (960, 1280, "hard_swish"),
        (288, 512, "relu6"),
        (144, 256, "relu"),
        (432, 768, "silu"),
    ):  # fmt: skip  (as in MobileNetV3)
        chain = Chain("input", 96, 7).conv(channels).mean().linear(hidden).activation(activation).linear(1000)
        yield chain.graph(f"head-wide-{channels}-{hidden}-{activation}")


def _curves() -> Iterator[MicroGraph]:
    """Activations that are not bounds."""
    for activation in ("silu", "hard_swish"):
        for side, channels in _CURVES:
            chain = Chain("input", channels, side)
            for _ in range(3):
                chain.depthwise(activation=activation)
            yield chain.mean().graph(f"{activation}-{side}-{channels}")


def _others() -> Iterator[MicroGraph]:
    for side, channels in ((112, 64), (56, 64), (32, 16)):
        chain = Chain("input", channels, side).conv(channels).max_pool().max_pool()
        yield chain.mean().graph(f"max-pool-{side}-{channels}")
    for side, channels in ((32, 16), (16, 32), (56, 64)):  # shortcuts without weights
        chain = Chain("input", channels, side).conv(channels)
        start = chain.position
        main = chain.conv(2 * channels, kernel=3, stride=2).position
        chain.at(start).pad(2 * channels).add(main).activation("relu")
        yield chain.mean().graph(f"pad-{side}-{channels}")
    for side, channels in ((56, 24), (28, 40), (14, 96), (14, 112), (7, 160)):  # sums beside the convolution
        chain = Chain("input", channels, side).conv(channels)
        for _ in range(3):
            block = chain.position
            chain.conv(channels).add(block)
        yield chain.mean().graph(f"add-{side}-{channels}")
