"""MBConv, the block of EfficientNet: an inverted residual with squeeze-and-excitation and stochastic depth."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from edgekit.zoo.blocks import Activation, ConvNormAct, named


class MBConv(nn.Module):
    """MobileNetV2's inverted residual with squeeze-and-excitation before its projection (section 4 of the paper).

    The squeeze has a quarter of the block's input channels, not of the expanded ones.

    Args:
        in_channels: number of input channels.
        out_channels: number of output channels.
        kernel: height and width of the depthwise kernel.
        stride: stride of the depthwise convolution.
        expand_ratio: ratio of the expanded to the input channels; 1 for no expansion.
        squeeze_excite: add squeeze-and-excitation.
        drop_path: stochastic depth rate, 0 to 1.
        unit: makes the convolutions; its activation is used in the squeeze too.
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
    """Multiply each channel by a gate from 0 to 1 computed from the mean of all channels.

    Hu et al. 2017, arXiv 1709.01507.

    Args:
        channels: number of input and output channels.
        squeezed: number of channels between the two layers that compute the gate.
        activation: makes the activation between them.
        sigmoid: makes the activation of the gate.
    """

    def __init__(
        self, channels: int, squeezed: int, *, activation: Activation, sigmoid: Activation = nn.Sigmoid
    ) -> None:
        super().__init__()
        self.gate = named(
            {
                "reduce": nn.Conv2d(channels, squeezed, 1),
                "act": activation(),
                "expand": nn.Conv2d(squeezed, channels, 1),
                "sigmoid": sigmoid(),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.gate(x.mean((2, 3), keepdim=True))
        return x * gate


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016, arXiv 1603.09382): randomly replace the input of whole images by zero.

    In training, an image is zeroed with probability `rate` and multiplied by 1 / (1 - rate) otherwise, so that the mean
    is the input. In evaluation, the output is the input.
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
