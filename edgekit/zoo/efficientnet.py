"""EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks (Tan and Le 2019, arXiv 1905.11946).

And EfficientNet-Lite, from the same authors' code (github.com/tensorflow/tpu, efficientnet/lite): no paper of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from edgekit.errors import SpecError, unknown
from edgekit.zoo.blocks import Activation, ConvNormAct, GlobalAveragePool, Norm, Padding, named, relu6, round_channels
from edgekit.zoo.network import Network

# fmt: off
# Table 1 of the paper, its stages 2 to 8; 1 is the stem, 9 the last 1x1 convolution, pooling and linear layer.
_STAGES = (
    # expand_ratio, kernel, channels, layers
    (            1,      3,       16,      1),
    (            6,      3,       24,      2),
    (            6,      5,       40,      2),
    (            6,      3,       80,      3),
    (            6,      5,      112,      3),
    (            6,      5,      192,      4),
    (            6,      3,      320,      1),
)
# fmt: on
# An argument, because small images need some of them to be 1.
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_STEM, _LAST, _RESOLUTION = 32, 1280, 224
# Section 5, step 1: found by a grid search under alpha * beta^2 * gamma^2 = 2, so that each phi doubles the cost.
_DEPTH, _WIDTH, _GAMMA = 1.2, 1.1, 1.15

_silu = partial(nn.SiLU, inplace=True)
# As 8-bit integers relu6 costs nothing (it is the end of the range), silu as much as a convolution.
_ACTIVATIONS: dict[str, Activation] = {"silu": _silu, "relu6": relu6}


class Scaling(NamedTuple):
    """How much wider and deeper than EfficientNet-B0, and the pixels a side of the input."""

    width_mult: float
    depth_mult: float
    resolution: int


def scaling(phi: float) -> Scaling:
    """The compound scaling rule, equation 3: depth 1.2^phi, width 1.1^phi, resolution 224 * 1.15^phi, rounded.

    phi 0 is EfficientNet-B0. B1 to B7 come from the authors' published table instead, which this rule passes near:
    phi 0.5, 1 and 2 are about B1, B2 and B3. Raises SpecError for phi outside of [-10, 10].
    """
    if not -10 <= phi <= 10:
        raise SpecError(f"phi must lie in [-10, 10], not {phi}")
    return Scaling(_WIDTH**phi, _DEPTH**phi, round(_RESOLUTION * _GAMMA**phi))


def efficientnet(
    *,
    classes: int = 1000,
    in_channels: int = 3,
    width_mult: float = 1.0,
    depth_mult: float = 1.0,
    phi: float = 0.0,
    lite: bool = False,
    activation: str | Sequence[str] = (),
    padding: Padding = "symmetric",
    stem_stride: int = 2,
    stage_strides: Sequence[int] = _STRIDES,
    norm_eps: float = 1e-5,
    norm_momentum: float = 0.1,
    drop_path: float = 0.2,
    dropout: float = 0.2,
) -> Network:
    """The network of table 1, EfficientNet-B0, scaled. Any input size works; `scaling` gives the one that phi asks for.

    phi: compound scaling, on top of width_mult and depth_mult; channels round to multiples of 8, layers up.
    lite: EfficientNet-Lite: no squeeze-and-excitation, ReLU6, and neither the stem, the last 1x1 convolution nor the
    layers of the first and the last stage are scaled. drop_path: the rate that the last block nears, from 0 in the
    first. Weights made by the authors' TensorFlow code need padding "tf_same" and norm_eps 1e-3.
    activation: silu or relu6, one for all or one for each of stem, stages 1 to 7 and last; by default the authors'.
    Raises SpecError for multipliers that are not above 0, phi outside of [-10, 10], drop_path outside of [0, 1),
    strides that are not one of 1 or 2 for each of the 7 stages, activations that are neither one name nor 9.
    """
    wider, deeper, _ = scaling(phi)
    width_mult, depth_mult = width_mult * wider, depth_mult * deeper
    _check(width_mult, depth_mult, drop_path, (stem_stride, *stage_strides))
    norm = partial(nn.BatchNorm2d, eps=norm_eps, momentum=norm_momentum)
    stem, *units, last = _units(activation or ("relu6" if lite else "silu"), padding=padding, norm=norm)
    ends_mult = 1.0 if lite else width_mult
    channels, features = round_channels(_STEM * ends_mult), round_channels(_LAST * ends_mult)
    body: dict[str, nn.Module] = {"stem": stem(in_channels, channels, kernel=3, stride=stem_stride)}
    layers = list(_layers(depth_mult, lite=lite))
    widths = [round_channels(width * width_mult) for _, _, width, _ in _STAGES]
    body |= _stages(channels, widths, layers=layers, strides=stage_strides, drop_path=drop_path, units=units, lite=lite)
    body |= {"last": last(widths[-1], features, kernel=1), "pool": GlobalAveragePool()}
    return Network(body, {"dropout": nn.Dropout(dropout), "fc": nn.Linear(features, classes)})


def _stages(
    in_channels: int,
    widths: Sequence[int],
    *,
    layers: Sequence[int],
    strides: Sequence[int],
    drop_path: float,
    units: Sequence[partial[ConvNormAct]],
    lite: bool,
) -> dict[str, nn.Module]:
    """Stages 1 to 7."""
    rates = iter([drop_path * block / sum(layers) for block in range(sum(layers))])
    stages: dict[str, nn.Module] = {}
    for number, ((expand_ratio, kernel, _, _), width, count, stride, unit) in enumerate(
        zip(_STAGES, widths, layers, strides, units, strict=True), 1
    ):
        stage = nn.Sequential()
        for at in range(count):
            block = MBConv(
                in_channels,
                width,
                kernel=kernel,
                stride=stride if at == 0 else 1,
                expand_ratio=expand_ratio,
                squeeze_excite=not lite,
                drop_path=next(rates),
                unit=unit,
            )
            stage.append(block)
            in_channels = width
        stages[f"stage{number}"] = stage
    return stages


class MBConv(nn.Module):
    """MobileNetV2's inverted residual with squeeze-and-excitation before its projection (section 4 of the paper).

    The squeeze is a quarter of the block's input channels, not of the expanded ones. unit: makes the convolutions; its
    activation is the squeeze's too.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int,
        expand_ratio: int,
        squeeze_excite: bool,
        drop_path: float,
        unit: partial[ConvNormAct],
    ) -> None:
        super().__init__()
        hidden = in_channels * expand_ratio
        layers: dict[str, nn.Module] = {}
        if expand_ratio != 1:
            layers["expand"] = unit(in_channels, hidden, kernel=1)
        layers["depthwise"] = unit(hidden, hidden, kernel=kernel, stride=stride, groups=hidden)
        if squeeze_excite:
            layers["squeeze_excite"] = SqueezeExcite(
                hidden, max(1, in_channels // 4), activation=unit.keywords["activation"]
            )
        layers["project"] = unit(hidden, out_channels, kernel=1, activation=None)
        self.layers = named(layers)
        self.residual = stride == 1 and in_channels == out_channels
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return x + self.drop_path(out) if self.residual else out


class SqueezeExcite(nn.Module):
    """Each channel times a gate in (0, 1) computed from the averages of all: Hu et al. 2017, arXiv 1709.01507."""

    def __init__(self, channels: int, squeezed: int, *, activation: Activation) -> None:
        super().__init__()
        self.gate = named(
            {
                "reduce": nn.Conv2d(channels, squeezed, 1),
                "act": activation(),
                "expand": nn.Conv2d(squeezed, channels, 1),
                "sigmoid": nn.Sigmoid(),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.gate(x.mean((2, 3), keepdim=True))
        return x * gate


class DropPath(nn.Module):
    """In training, zero for a share `rate` of the images and 1 / (1 - rate) times the input for the others.

    So that its mean is the input; in evaluation it is the input. Stochastic depth: Huang et al. 2016, arXiv 1603.09382.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        survives = x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(1 - self.rate)
        return x * survives / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate:.3f}"


def _layers(depth_mult: float, *, lite: bool) -> Iterator[int]:
    """How many layers each stage has."""
    for number, (*_, layers) in enumerate(_STAGES):
        fixed = lite and number in (0, len(_STAGES) - 1)
        yield layers if fixed else math.ceil(layers * depth_mult)


def _units(names: str | Sequence[str], *, padding: Padding, norm: Norm) -> list[partial[ConvNormAct]]:
    """Makers of the convolutions of the stem, each stage and the last layer, with the activations of those names."""
    places = len(_STAGES) + 2
    each = [names] * places if isinstance(names, str) else list(names)
    if len(each) != places:
        raise SpecError(f"activation must be one name or {places} (stem, stages 1 to 7, last), not {len(each)}: {each}")
    for name in each:
        if name not in _ACTIVATIONS:
            raise SpecError(unknown("activation", str(name), _ACTIVATIONS))
    return [partial(ConvNormAct, padding=padding, norm=norm, activation=_ACTIVATIONS[name]) for name in each]


def _check(width_mult: float, depth_mult: float, drop_path: float, strides: Sequence[int]) -> None:
    for name, value in (("width_mult", width_mult), ("depth_mult", depth_mult)):
        if not 0 < value < math.inf:
            raise SpecError(f"{name} (with phi) must be above 0, not {value}")
    if not 0 <= drop_path < 1:
        raise SpecError(f"drop_path must lie in [0, 1), not {drop_path}")
    if len(strides) != len(_STAGES) + 1 or not set(strides) <= {1, 2}:
        raise SpecError(f"stage_strides must be {len(_STAGES)} of 1 or 2, and stem_stride one: {list(strides)}")


def published_keys(*, depth_mult: float = 1.0, phi: float = 0.0, lite: bool = False) -> dict[str, str]:
    """Module paths of torchvision's layout, each with ours, the same at every width; empty for the lite networks."""
    if lite:
        return {}
    keys = {"features.0.0": "body.stem.conv", "features.0.1": "body.stem.norm"}
    for stage, count in enumerate(_layers(depth_mult * scaling(phi).depth_mult, lite=False), 1):
        expand_ratio = _STAGES[stage - 1][0]
        for at in range(count):
            keys |= _block_keys(f"features.{stage}.{at}.block", f"body.stage{stage}.{at}.layers", expand_ratio)
    last = len(_STAGES) + 1
    keys |= {f"features.{last}.0": "body.last.conv", f"features.{last}.1": "body.last.norm"}
    return keys | {"classifier.1": "head.fc"}


def _block_keys(theirs: str, ours: str, expand_ratio: int) -> dict[str, str]:
    layers = ["expand", "depthwise", "squeeze_excite", "project"][0 if expand_ratio != 1 else 1 :]
    keys: dict[str, str] = {}
    for at, layer in enumerate(layers):
        parts = (
            {"fc1": "gate.reduce", "fc2": "gate.expand"} if layer == "squeeze_excite" else {"0": "conv", "1": "norm"}
        )
        keys |= {f"{theirs}.{at}.{part}": f"{ours}.{layer}.{name}" for part, name in parts.items()}
    return keys
