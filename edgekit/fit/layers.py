"""The layers of a candidate: kinds, shapes, and which reads which, without weights and for any resolution."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from torch import nn

from edgekit.cost import Cost
from edgekit.errors import SpecError
from edgekit.image.size import Size
from edgekit.zoo.blocks import GlobalAveragePool, Padding, ReLU6, SameConv2d
from edgekit.zoo.build import build
from edgekit.zoo.mbconv import DropPath
from edgekit.zoo.network import Network
from edgekit.zoo.resnet import ZeroPad

if TYPE_CHECKING:
    from collections.abc import Hashable

    from edgekit.fit.candidate import Candidate

Kind: TypeAlias = Literal["conv", "linear", "norm", "activation", "max_pool", "mean", "add", "mul", "pad"]
INPUT = -1  # index of the network's input among the layers that a layer reads

_ACTIVATIONS: Mapping[type[nn.Module], str] = {
    nn.ReLU: "relu",
    ReLU6: "relu6",
    nn.SiLU: "silu",
    nn.Hardswish: "hard_swish",
    nn.Sigmoid: "sigmoid",
    nn.Hardsigmoid: "hard_sigmoid",
}
_POINT = Size(1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer of a network in evaluation mode, for one image of one size.

    Attributes:
        name: path of the module, or the operation and its index.
        kind: "conv", "linear", "norm", "activation", "max_pool", "mean" (over the grid), "add" (residual), "mul" (the
            gate of squeeze-and-excitation) or "pad" (a shortcut that subsamples and appends zero channels).
        inputs: indexes of the layers that it reads; `INPUT` is the network's input.
        in_channels: number of channels of its first input.
        channels: number of channels of its output.
        kernel: height and width of the kernel.
        stride: stride in both dimensions.
        groups: number of groups; `in_channels` for a depthwise convolution.
        padding: of a convolution, see `zoo.blocks.conv`.
        bias: whether a convolution or linear layer has a bias.
        activation: "relu", "relu6", "silu", "hard_swish", "sigmoid" or "hard_sigmoid" for kind "activation"; else "".
        parameters: number of trained values.
        input: height and width of its first input; 1x1 for a vector.
        output: height and width of its output; 1x1 for a vector.
    """

    name: str
    kind: Kind
    inputs: tuple[int, ...]
    in_channels: int
    channels: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    padding: Padding = "symmetric"
    bias: bool = False
    activation: str = ""
    parameters: int = 0
    input: Size = _POINT
    output: Size = _POINT

    @property
    def macs(self) -> int:
        """Number of multiply-accumulates, as `zoo.network_cost` counts them."""
        if self.kind not in ("conv", "linear"):
            return 0
        return math.prod(self.output) * self.channels * (self.in_channels // self.groups) * self.kernel**2


class Traces:
    """The layers of candidates. Each architecture is traced once and kept; other resolutions are arithmetic.

    Example:
        >>> from edgekit.fit.layers import Traces
        >>> from edgekit.fit.candidate import Candidate
        >>> candidate = Candidate(network="mobilenet_v2", resolution=224, classes=1000)
        >>> Traces().cost(candidate)
        Cost(parameters=3504872, macs=300774272)
    """

    def __init__(self) -> None:
        self._traces: dict[Hashable, tuple[Layer, ...]] = {}

    def layers(self, candidate: Candidate) -> tuple[Layer, ...]:
        """The layers of a candidate, in the order in which they run; the last is the classifier.

        Args:
            candidate: point of the space.
        """
        key = candidate.architecture
        if key not in self._traces:
            with torch.device("meta"):  # no weights are allocated
                network = build(
                    candidate.network,
                    **candidate.arguments,
                    classes=candidate.classes,
                    in_channels=candidate.channels,
                )
            self._traces[key] = trace(network, channels=candidate.channels)
        return sized(self._traces[key], Size(candidate.resolution, candidate.resolution))

    def cost(self, candidate: Candidate) -> Cost:
        """The parameters and multiply-accumulates of a candidate.

        Args:
            candidate: point of the space.
        """
        layers = self.layers(candidate)
        return Cost(parameters=sum(layer.parameters for layer in layers), macs=sum(layer.macs for layer in layers))


def trace(network: Network, *, channels: int = 3) -> tuple[Layer, ...]:
    """Record the layers of a network from one forward pass with a value that has no numbers.

    Args:
        network: network of the space, which may lie on the meta device. It cannot compute anything afterwards.
        channels: number of input channels.

    Returns:
        Its layers for an input of one pixel, in the order in which they run: see `sized`. Dropout and identities are
        left out.

    Raises:
        SpecError: the network has a module that networks of the space do not have.
    """
    layers: list[Layer] = []
    for name, module in network.eval().named_modules():
        if not any(module.children()):  # a module's own `forward` goes before that of its class
            module.forward = partial(_pass_module, name=name, module=module)
    network(_Value(layers, INPUT, channels))
    return tuple(layers)


def sized(layers: Iterable[Layer], input: Size) -> tuple[Layer, ...]:
    """The same layers for an input of another size.

    Every convolution, pooling and subsampling of the space maps an extent n to ceil(n / stride).

    Args:
        layers: all layers of a network, in order.
        input: height and width of its input in pixels.
    """
    resized: list[Layer] = []
    for layer in layers:
        first = layer.inputs[0]
        grid = input if first == INPUT else resized[first].output
        output = _POINT if layer.kind in ("mean", "linear") else grid
        if layer.stride > 1:
            output = Size(-(-grid.height // layer.stride), -(-grid.width // layer.stride))
        resized.append(dataclasses.replace(layer, input=grid, output=output))
    return tuple(resized)


@dataclass(frozen=True, slots=True)
class _Value:
    """What travels through a network that is traced, instead of a tensor.

    layers: all layers up to now.
    index: of the layer that computes it.
    channels: number of channels.
    """

    layers: list[Layer]
    index: int
    channels: int

    def __add__(self, other: _Value) -> _Value:
        return self.passed("add", f"add_{len(self.layers)}", other)

    def __mul__(self, other: _Value) -> _Value:
        return self.passed("mul", f"mul_{len(self.layers)}", other)

    def mean(self, dims: tuple[int, int], *, keepdim: bool) -> _Value:
        """As in `zoo.mbconv.SqueezeExcite`, over the grid."""
        return self.passed("mean", f"mean_{len(self.layers)}")

    def passed(self, kind: Kind, name: str, *others: _Value, **fields: Any) -> _Value:
        """What a layer makes of this value and others. fields: of the layer; `channels` by default its own."""
        channels = fields.pop("channels", self.channels)
        inputs = (self.index, *(other.index for other in others))
        self.layers.append(
            Layer(name=name, kind=kind, inputs=inputs, in_channels=self.channels, channels=channels, **fields)
        )
        return _Value(self.layers, len(self.layers) - 1, channels)


def _pass_module(value: _Value, *, name: str, module: nn.Module) -> _Value:
    """What a module makes of a value."""
    passed = partial(value.passed, name=name, parameters=sum(entry.numel() for entry in module.parameters()))
    match module:
        case nn.Identity() | nn.Dropout() | DropPath():
            return value
        case nn.Conv2d():
            return passed(
                "conv",
                channels=module.out_channels,
                kernel=module.kernel_size[0],
                stride=module.stride[0],
                groups=module.groups,
                padding="tf_same" if isinstance(module, SameConv2d) else "symmetric",
                bias=module.bias is not None,
            )
        case nn.Linear():
            return passed("linear", channels=module.out_features, bias=module.bias is not None)
        case nn.MaxPool2d():
            return passed("max_pool", kernel=module.kernel_size, stride=module.stride)
        case ZeroPad():
            return passed("pad", channels=value.channels + module.extra, stride=module.stride)
        case nn.BatchNorm2d():
            return passed("norm")
        case GlobalAveragePool():
            return passed("mean")
    if type(module) not in _ACTIVATIONS:
        raise SpecError(f"{name}: {type(module).__name__} is in no network of the space")
    return passed("activation", activation=_ACTIVATIONS[type(module)])
