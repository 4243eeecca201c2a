"""Building blocks that several papers share."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.errors import SpecError, must_be, quote, unknown

Padding: TypeAlias = Literal["symmetric", "tf_same"]
Activation: TypeAlias = Callable[[], nn.Module]
_Module = TypeVar("_Module", bound=nn.Module)
Norm: TypeAlias = Callable[[int], nn.Module]


class _ClampToSix(torch.autograd.Function):
    """Clamp to 0 to 6 in place. The gradient needs the result alone, whereas torch's relu6_ copies its input for it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        x.clamp_(0, 6)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradient, result, 0, 6)  # type: ignore[no-any-return]


class ReLU6(nn.ReLU6):
    """min(max(x, 0), 6), trained without a copy of x."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.requires_grad:
            return _ClampToSix.apply(x)  # type: ignore[no-any-return, no-untyped-call]
        return super().forward(x)


relu6 = partial(ReLU6, inplace=True)
relu = partial(nn.ReLU, inplace=True)
silu = partial(nn.SiLU, inplace=True)
hard_swish = partial(nn.Hardswish, inplace=True)  # x * relu6(x + 3) / 6 (Howard et al. 2019, arXiv 1905.02244)
# In int8, relu and relu6 cost nothing (they are the ends of the range), whereas silu costs as much as a convolution.
ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {"relu": relu, "relu6": relu6, "silu": silu, "hard_swish": hard_swish}
)


def named(modules: Mapping[str, nn.Module]) -> nn.Sequential:
    """Combine the modules into a Sequential whose parts have these names."""
    return nn.Sequential(OrderedDict(modules))


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding, which depends on the input size.

    Each dimension of extent n is padded by max((ceil(n / stride) - 1) * stride + kernel - n, 0) in total, the smaller
    half first: a 3x3 convolution with stride 2 pads an even extent only at the bottom or right.
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
    """Build a convolution whose output extent is ceil(input / stride).

    Args:
        in_channels: number of input channels.
        out_channels: number of output channels.
        kernel: height and width of the kernel, odd.
        stride: stride in both dimensions.
        groups: number of groups; `in_channels` for a depthwise convolution.
        bias: add a bias.
        padding: "symmetric", or "tf_same" as in TensorFlow (see SameConv2d).

    Raises:
        SpecError: `padding` is unknown.
    """
    if padding == "symmetric" or stride == 1:  # with stride 1, both pad the same
        return nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=bias)
    if padding == "tf_same":
        return SameConv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=bias)
    raise SpecError(unknown("padding", str(padding), ("symmetric", "tf_same")))


class ConvNormAct(nn.Sequential):
    """A convolution, a norm and an activation, named `conv`, `norm` and `act`.

    Args:
        in_channels: number of input channels.
        out_channels: number of output channels.
        kernel: height and width of the kernel, odd.
        stride: stride in both dimensions.
        groups: number of groups; `in_channels` for a depthwise convolution.
        padding: "symmetric" or "tf_same", see `conv`.
        norm: makes the norm from the number of channels; None for no norm, and a bias instead.
        activation: makes the activation; None for none.
    """

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
    """(N, C, H, W) -> (N, C), as one mean: adaptive pooling and flattening would export as a dozen nodes."""

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            # The gradient of a mean is one value for all positions. Layers below take it for channels_first, and a
            # batch norm of channels_last values is then ten times as slow.
            in_layout = partial(Tensor.contiguous, memory_format=torch.channels_last)
            x.register_hook(in_layout)  # type: ignore[no-untyped-call]
        return x.mean((2, 3))


def round_channels(channels: float, divisor: int = 8) -> int:
    """Round a number of channels to the nearest multiple of `divisor`, at least `divisor` and 90% of `channels`.

    This is the rule in the code of the MobileNet and EfficientNet authors, which every published width follows.

    Example:
        >>> from edgekit.zoo.blocks import round_channels
        >>> round_channels(32 * 1.1), round_channels(11)
        (32, 16)
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def scaled_depth(layers: int, depth_mult: float) -> int:
    """The number of layers of a stage, multiplied and rounded up: EfficientNet's rule, for every network here.

    Example:
        >>> from edgekit.zoo.blocks import scaled_depth
        >>> scaled_depth(3, 1.2), scaled_depth(1, 0.5)
        (4, 1)
    """
    return math.ceil(layers * depth_mult)


def activation_named(name: str) -> Activation:
    """Look up an activation by its name.

    Raises:
        SpecError: the name is unknown.
    """
    if name not in ACTIVATIONS:
        raise SpecError(unknown("activation", str(name), ACTIVATIONS))
    return ACTIVATIONS[name]


def check_strides(stem_stride: int, stage_strides: Sequence[int], *, stages: int) -> None:
    """Check the strides of a network with this many stages.

    Raises:
        SpecError: one is not 1 or 2, or their number is not that of the stages.
    """
    if len(stage_strides) != stages or not {stem_stride, *stage_strides} <= {1, 2}:
        raise SpecError(
            f"`stem_stride` must be 1 or 2 and `stage_strides` {stages} values of 1 or 2 "
            f"(got {quote(stem_stride)} and {quote(list(stage_strides))})"
        )


def accepted_extents(grid: Callable[[int], int], extent: int) -> tuple[int, int]:
    """The range of input extents for which the last grid has the size that it has for `extent`.

    A linear layer after the grid accepts these inputs only.

    Args:
        grid: height or width of the last grid as a function of the height or width of the input in pixels.
        extent: height or width of the input that the network is built for.

    Returns:
        The smallest and the largest extent.

    Raises:
        SpecError: `extent` is so small that the grid is empty.
    """
    positions = grid(extent)
    if positions < 1:
        smallest = next(n for n in itertools.count(max(extent, 1)) if grid(n) == 1)
        raise SpecError(must_be("input", f"at least {smallest} pixels", extent))
    smallest = next(n for n in range(extent, 0, -1) if grid(n - 1) != positions)
    largest = next(n for n in itertools.count(extent) if grid(n + 1) != positions)
    return smallest, largest


def he_normal(network: _Module) -> _Module:
    """Initialize a network with ReLU: weights from N(0, 2 / fan_in), biases 0, in place.

    He et al. 2015, arXiv 1502.01852, section 2.2.

    Returns:
        The network.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
