"""The pieces that several papers share."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, TypeAlias, TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.errors import SpecError, unknown

Padding: TypeAlias = Literal["symmetric", "tf_same"]
Activation: TypeAlias = Callable[[], nn.Module]
_Module = TypeVar("_Module", bound=nn.Module)
Norm: TypeAlias = Callable[[int], nn.Module]

relu6 = partial(nn.ReLU6, inplace=True)
relu = partial(nn.ReLU, inplace=True)


def named(modules: Mapping[str, nn.Module]) -> nn.Sequential:
    """The modules one after the other, reachable by their names."""
    return nn.Sequential(OrderedDict(modules))


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME" does, by the input's size.

    total = max((ceil(n / stride) - 1) * stride + kernel - n, 0) for each dimension, the smaller half first: a 3x3
    convolution of stride 2 on an even size pads only the bottom and the right.
    """

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        top, bottom = _same_padding(height, self.kernel_size[0], self.stride[0])
        left, right = _same_padding(width, self.kernel_size[1], self.stride[1])
        return super().forward(F.pad(x, (left, right, top, bottom)))


def _same_padding(extent: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-extent // stride) - 1) * stride + kernel - extent, 0)
    return total // 2, total - total // 2


def conv(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    bias: bool = False,
    padding: Padding = "symmetric",
) -> nn.Conv2d:
    """A convolution of odd kernel whose output is ceil(input / stride), padded by the named rule."""
    if padding == "symmetric" or stride == 1:  # at stride 1 both rules pad the same
        return nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=bias)
    if padding == "tf_same":
        return SameConv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=bias)
    raise SpecError(unknown("padding", str(padding), ("symmetric", "tf_same")))


class ConvNormAct(nn.Sequential):
    """Convolution, batch norm (or none, and then a bias), activation (or none): `conv`, `norm` and `act`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        padding: Padding = "symmetric",
        norm: Norm | None = nn.BatchNorm2d,
        activation: Activation | None = relu,
    ) -> None:
        super().__init__()
        self.conv = conv(
            in_channels, out_channels, kernel=kernel, stride=stride, groups=groups, bias=norm is None, padding=padding
        )
        if norm is not None:
            self.norm = norm(out_channels)
        if activation is not None:
            self.act = activation()


class GlobalAveragePool(nn.Module):
    """(N, C, H, W) -> (N, C). A plain mean: adaptive pooling and flattening export as a dozen nodes."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def round_channels(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, but never below `divisor` nor under 90% of `channels`.

    The rule of the MobileNet and EfficientNet authors' code, by which every published width is built.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def extents_of_grid(grid: Callable[[int], int], extent: int) -> tuple[int, int]:
    """The smallest and the largest input extent whose last grid is that of `extent`: all that a linear layer fits.

    grid: positions a side of the last grid, by pixels a side of the input. Raises SpecError where none is left.
    """
    positions = grid(extent)
    if positions < 1:
        smallest = next(n for n in itertools.count(max(extent, 1)) if grid(n) == 1)
        raise SpecError(f"input must be at least {smallest}, not {extent}")
    smallest = next(n for n in range(extent, 0, -1) if grid(n - 1) != positions)
    largest = next(n for n in itertools.count(extent) if grid(n + 1) != positions)
    return smallest, largest


def he_normal(network: _Module) -> _Module:
    """The network, its convolution and linear weights drawn from N(0, 2 / fan_in), their biases 0.

    For networks of ReLU: He et al. 2015, arXiv 1502.01852, section 2.2.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
