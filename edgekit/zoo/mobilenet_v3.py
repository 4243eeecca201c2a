"""MobileNetV3: Searching for MobileNetV3 (Howard et al. 2019, arXiv 1905.02244)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

from torch import Tensor, nn

from edgekit.errors import SpecError, unknown
from edgekit.zoo.blocks import (
    Activation,
    ConvNormAct,
    GlobalAveragePool,
    Padding,
    activation_named,
    check_strides,
    hard_swish,
    named,
    relu,
    round_channels,
    scaled_depth,
)
from edgekit.zoo.mbconv import SqueezeExcite
from edgekit.zoo.network import Network

ModelSize: TypeAlias = Literal["large", "small"]


class _Stage(NamedTuple):
    """Consecutive rows of tables 1 and 2 with the same number of output channels: only the first has a stride.

    expanded: number of channels in the middle of each block ("exp size").
    """

    kernel: int
    expanded: tuple[int, ...]
    channels: int
    squeeze_excite: bool
    activation: Activation

    def blocks(self, depth_mult: float) -> tuple[int, ...]:
        """`expanded` of a scaled number of blocks, rounded up: the last blocks are left out, or the last repeated."""
        count = scaled_depth(len(self.expanded), depth_mult)
        return self.expanded[:count] + self.expanded[-1:] * (count - len(self.expanded))


class _Table(NamedTuple):
    stages: tuple[_Stage, ...]
    strides: tuple[int, ...]
    last: int  # channels of the last convolution
    dense: int  # width of the layer between pooling and the classifier


# fmt: off
_TABLES = {
    "large": _Table(  # table 1
        (
            #      kernel                   expanded  channels     SE    activation
            _Stage(     3, (16,),                   16, False, relu),
            _Stage(     3, (64, 72),                24, False, relu),
            _Stage(     5, (72, 120, 120),          40,  True, relu),
            _Stage(     3, (240, 200, 184, 184),    80, False, hard_swish),
            _Stage(     3, (480, 672),             112,  True, hard_swish),
            _Stage(     5, (672, 960, 960),        160,  True, hard_swish),
        ),
        strides=(1, 2, 2, 2, 1, 2),
        last=960,
        dense=1280,
    ),
    "small": _Table(  # table 2
        (
            _Stage(     3, (16,),                   16,  True, relu),
            _Stage(     3, (72, 88),                24, False, relu),
            _Stage(     5, (96, 240, 240),          40,  True, hard_swish),
            _Stage(     5, (120, 144),              48,  True, hard_swish),
            _Stage(     5, (288, 576, 576),         96,  True, hard_swish),
        ),
        strides=(2, 2, 2, 1, 2),
        last=576,
        dense=1024,
    ),
}
# fmt: on


class InvertedResidual(nn.Module):
    """MobileNetV2's inverted residual with squeeze-and-excitation before its projection (section 5.3, figure 4).

    The squeeze has a quarter of the expanded channels, rounded to a multiple of 8, and its gate is a hard sigmoid.

    Args:
        in_channels: number of input channels.
        expanded: number of channels of the depthwise convolution; no expansion if it is `in_channels`.
        out_channels: number of output channels.
        kernel: height and width of the depthwise kernel.
        stride: stride of the depthwise convolution.
        squeeze_excite: add squeeze-and-excitation.
        unit: makes the convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        expanded: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int,
        squeeze_excite: bool,
        unit: partial[ConvNormAct],
    ) -> None:
        super().__init__()
        layers: dict[str, nn.Module] = {}
        if expanded != in_channels:
            layers["expand"] = unit(in_channels, expanded, kernel=1)
        layers["depthwise"] = unit(expanded, expanded, kernel=kernel, stride=stride, groups=expanded)
        if squeeze_excite:
            squeezed = round_channels(expanded // 4)
            layers["squeeze_excite"] = SqueezeExcite(expanded, squeezed, activation=relu, sigmoid=nn.Hardsigmoid)
        layers["project"] = unit(expanded, out_channels, kernel=1, activation=None)
        self.layers = named(layers)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return x + out if self.residual else out


def mobilenet_v3(
    *,
    size: ModelSize = "large",
    classes: int = 1000,
    in_channels: int = 3,
    width_mult: float = 1.0,
    depth_mult: float = 1.0,
    activation: str = "",
    padding: Padding = "symmetric",
    stem_stride: int = 2,
    stage_strides: Sequence[int] = (),
    norm_eps: float = 1e-3,
    norm_momentum: float = 0.01,
    dropout: float = 0.2,
) -> Network:
    """Build the network of table 1 ("large") or table 2 ("small").

    The rows of a table with the same number of output channels are one stage. Accepts any input size.

    Args:
        size: "large" or "small".
        classes: number of classes.
        in_channels: number of input channels.
        width_mult: multiplier of the channels of every layer, which are rounded to multiples of 8.
        depth_mult: multiplier of the blocks of each stage, which are rounded up. Fewer blocks are the first of the
            table, additional blocks repeat the last.
        activation: "relu", "relu6", "silu" or "hard_swish" instead of each activation of the table (default: the
            table's). Squeeze-and-excitation keeps its own.
        padding: "symmetric", or "tf_same" for weights of TensorFlow.
        stem_stride: stride of the stem, 1 or 2.
        stage_strides: stride of each of the six stages of "large" or five of "small", 1 or 2 (default: those of the
            table). Small images need some strides to be 1.
        norm_eps: epsilon of the batch norms.
        norm_momentum: momentum of the batch norms.
        dropout: dropout probability before the last layer.

    Returns:
        The network in training mode, randomly initialized.

    Raises:
        SpecError: the size or the activation is unknown, a stride is not 1 or 2, or their number is not that of the
            stages.
    """
    table = _table(size)
    strides = stage_strides or table.strides
    check_strides(stem_stride, strides, stages=len(table.stages))
    override = activation_named(activation) if activation else None
    swish = override or hard_swish
    norm = partial(nn.BatchNorm2d, eps=norm_eps, momentum=norm_momentum)
    unit = partial(ConvNormAct, padding=padding, norm=norm)
    channels = round_channels(16 * width_mult)
    body: dict[str, nn.Module] = {"stem": unit(in_channels, channels, kernel=3, stride=stem_stride, activation=swish)}
    for number, (stage, stride) in enumerate(zip(table.stages, strides, strict=True), 1):
        stage_unit = partial(unit, activation=override or stage.activation)
        body[f"stage{number}"] = _blocks(
            stage, channels, width_mult=width_mult, depth_mult=depth_mult, stride=stride, unit=stage_unit
        )
        channels = round_channels(stage.channels * width_mult)
    last, dense = (round_channels(width * width_mult) for width in (table.last, table.dense))
    body["last"] = unit(channels, last, kernel=1, activation=swish)
    body["pool"] = GlobalAveragePool()
    body["dense"] = named({"fc": nn.Linear(last, dense), "act": swish()})
    return Network(body, {"dropout": nn.Dropout(dropout), "fc": nn.Linear(dense, classes)})


def _blocks(
    stage: _Stage,
    in_channels: int,
    *,
    width_mult: float,
    depth_mult: float,
    stride: int,
    unit: partial[ConvNormAct],
) -> nn.Sequential:
    blocks, out_channels = nn.Sequential(), round_channels(stage.channels * width_mult)
    for expanded in stage.blocks(depth_mult):
        block = InvertedResidual(
            in_channels,
            round_channels(expanded * width_mult),
            out_channels,
            kernel=stage.kernel,
            stride=stride,
            squeeze_excite=stage.squeeze_excite,
            unit=unit,
        )
        blocks.append(block)
        in_channels, stride = out_channels, 1
    return blocks


def _table(size: str) -> _Table:
    if size not in _TABLES:
        raise SpecError(unknown("size", str(size), _TABLES))
    return _TABLES[size]


def published_keys(*, size: ModelSize = "large", width_mult: float = 1.0, depth_mult: float = 1.0) -> dict[str, str]:
    """Map torchvision's module paths to those of this network."""
    table, keys = _table(size), {"features.0.0": "body.stem.conv", "features.0.1": "body.stem.norm"}
    number, in_channels = 1, round_channels(16 * width_mult)
    for position, stage in enumerate(table.stages, 1):
        for block, expanded in enumerate(stage.blocks(depth_mult)):
            has_expansion = round_channels(expanded * width_mult) != in_channels
            layers = ["expand"] * has_expansion + ["depthwise"] + ["squeeze_excite"] * stage.squeeze_excite
            for index, layer in enumerate([*layers, "project"]):
                published, module = f"features.{number}.block.{index}", f"body.stage{position}.{block}.layers.{layer}"
                if layer == "squeeze_excite":
                    keys |= {f"{published}.fc1": f"{module}.gate.reduce", f"{published}.fc2": f"{module}.gate.expand"}
                else:
                    keys |= {f"{published}.0": f"{module}.conv", f"{published}.1": f"{module}.norm"}
            number, in_channels = number + 1, round_channels(stage.channels * width_mult)
    keys |= {f"features.{number}.0": "body.last.conv", f"features.{number}.1": "body.last.norm"}
    return keys | {"classifier.0": "body.dense.fc", "classifier.3": "head.fc"}
