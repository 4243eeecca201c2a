"""The description of a micro-graph: operators in running order, each with what it reads."""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[int, int]  # rows, columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An operator of a network, with its shapes for one image.

    Attributes:
        kind: "pixels" (uint8 pixels normalized, channels first), "input" (a tensor given as it is), "conv", "linear",
            "activation", "max_pool", "mean" (over the grid), "add", "mul" (each channel by a factor), "regroup"
            (columns as channels) or "pad" (a shortcut that takes every other position and adds channels of zeros).
        inputs: the steps that it reads, by index; the first is the tensor that `in_channels` and `input` describe.
        in_channels: channels that it reads.
        channels: channels that it writes.
        input: rows and columns that it reads.
        output: rows and columns that it writes.
        kernel: rows and columns of its window.
        stride: rows and columns from window to window.
        groups: of its channels; equal to `channels` if depthwise.
        activation: "relu", "relu6", "silu", "hard_swish", "sigmoid", "hard_sigmoid" or empty: computed with it.
        adds: whether it also adds its last input to what it computes.
    """

    kind: str
    inputs: tuple[int, ...]
    in_channels: int
    channels: int
    input: Pair
    output: Pair
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    groups: int = 1
    activation: str = ""
    adds: bool = False

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel is convolved by itself."""
        return self.kind == "conv" and self.groups == self.in_channels == self.channels and self.groups > 1

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        if self.kind not in ("conv", "linear"):
            return 0
        return self.channels * (self.in_channels // self.groups * self.kernel[0] * self.kernel[1] + 1)

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return (self.parameters - self.channels) * self.output[0] * self.output[1] if self.parameters else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroGraph:
    """A network of a few operators that is timed as a whole.

    Attributes:
        name: what the figures of a device call it; it changes if the steps change.
        steps: what it computes.
        weight: how much its relative error counts when a cost model is fitted.
    """

    name: str
    steps: tuple[Step, ...]
    weight: float = 1.0

    @property
    def output(self) -> tuple[str, str, tuple[int, ...]]:
        """Name, dtype and shape of its output in an ONNX file."""
        last = self.steps[-1]
        shape = (1, last.channels) if last.kind == "linear" else (1, last.channels, *last.output)
        return f"v{len(self.steps) - 1}", "float32", shape


class Chain:
    """Builds a micro-graph step by step; each method appends a step that reads the last one, or that of `at`."""

    def __init__(self, kind: str, channels: int, rows: int, columns: int | None = None) -> None:
        size = (rows, rows if columns is None else columns)
        self._steps = [Step(kind=kind, inputs=(), in_channels=channels, channels=channels, input=size, output=size)]
        self._position = 0

    @property
    def position(self) -> int:
        """The index of the step that the next one reads."""
        return self._position

    def at(self, position: int) -> Chain:
        """Go on from an earlier step."""
        self._position = position
        return self

    def conv(self, channels: int, *, kernel: int | Pair = 1, stride: int | Pair = 1, activation: str = "") -> Chain:
        """A convolution with a border of half its kernel."""
        return self._conv(channels, _pair(kernel), _pair(stride), 1, activation)

    def depthwise(self, *, kernel: int = 3, stride: int = 1, activation: str = "") -> Chain:
        """A convolution of each channel by itself."""
        channels = self._last.channels
        return self._conv(channels, _pair(kernel), _pair(stride), channels, activation)

    def _conv(self, channels: int, kernel: Pair, stride: Pair, groups: int, activation: str) -> Chain:
        rows, columns = (-(-extent // step) for extent, step in zip(self._last.output, stride, strict=True))
        self._append("conv", channels, (rows, columns), kernel=kernel, stride=stride, groups=groups)
        return self.activation(activation) if activation else self

    def activation(self, name: str) -> Chain:
        """An activation, which onnxruntime may compute with the operator before it."""
        last = self._last
        return self._append("activation", last.channels, last.output, activation=name)

    def max_pool(self) -> Chain:
        """The largest of 3x3, at every other position."""
        rows, columns = self._last.output
        return self._append("max_pool", self._last.channels, (-(-rows // 2), -(-columns // 2)), (3, 3), (2, 2))

    def mean(self) -> Chain:
        """The mean over the grid."""
        return self._append("mean", self._last.channels, (1, 1))

    def linear(self, channels: int) -> Chain:
        """A fully connected layer on a grid of 1x1."""
        return self._append("linear", channels, (1, 1))

    def add(self, other: int) -> Chain:
        """The sum with the output of an earlier step."""
        last = self._last
        return self._append("add", last.channels, last.output, other=other)

    def regroup(self, channels: int) -> Chain:
        """Neighboring columns of a row as channels of one, or the reverse."""
        last = self._last
        return self._append("regroup", channels, (last.output[0], last.output[1] * last.channels // channels))

    def pad(self, channels: int) -> Chain:
        """Every other position, with channels of zeros added."""
        rows, columns = self._last.output
        return self._append("pad", channels, (-(-rows // 2), -(-columns // 2)), stride=(2, 2))

    def gate(self, reduced: int, *, inner: str, outer: str) -> Chain:
        """Squeeze and excitation: each channel times a factor that the means of all channels give."""
        gated, channels = self.position, self._last.channels
        factors = self.mean().conv(reduced, activation=inner).conv(channels, activation=outer).position
        return self.at(gated)._append("mul", channels, self._last.output, other=factors)

    def graph(self, name: str, *, weight: float = 1.0) -> MicroGraph:
        """The micro-graph of the steps so far."""
        return MicroGraph(name=name, steps=tuple(self._steps), weight=weight)

    def _append(
        self,
        kind: str,
        channels: int,
        output: Pair,
        kernel: Pair = (1, 1),
        stride: Pair = (1, 1),
        *,
        groups: int = 1,
        activation: str = "",
        other: int | None = None,
    ) -> Chain:
        last = self._last
        step = Step(
            kind=kind,
            inputs=(self.position,) if other is None else (self.position, other),
            in_channels=last.channels,
            channels=channels,
            input=last.output,
            output=output,
            kernel=kernel,
            stride=stride,
            groups=groups,
            activation=activation,
        )
        self._steps.append(step)
        self._position = len(self._steps) - 1
        return self

    @property
    def _last(self) -> Step:
        return self._steps[self._position]


def _pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else value
