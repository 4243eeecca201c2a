"""The operators of a network as onnxruntime executes them: of a candidate's layers, and of a model file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from edgekit.bench.micro_graphs.steps import Step
from edgekit.fit.fusion import fused
from edgekit.fit.model_steps import model_precision, model_steps

if TYPE_CHECKING:
    from edgekit.fit.layers import Layer
    from edgekit.image.size import Size
    from edgekit.runtime.targets import Target

_PIXELS_AT_ONCE = 4  # of a row, see quantize.passes.group_stem


class Network(NamedTuple):
    """What a network computes, as onnxruntime executes it.

    Attributes:
        operators: in running order; their inputs are indexes of earlier ones, the first is that of the pixels.
        precision: "float32" or "int8".
    """

    operators: tuple[Step, ...]
    precision: str


def operators_of(model: bytes, *, name: str) -> Network:
    """Read the operators of a model file.

    Args:
        model: bytes of an ONNX file.
        name: name of the file, for messages.

    Raises:
        ArtifactError: it has an operator that no micro-graph stands for, or its shapes cannot be inferred.
    """
    precision = model_precision(model)
    return Network(fused(model_steps(model, name=name), precision=precision), precision)


def operators(layers: Sequence[Layer], *, input: Size, precision: str, target: Target) -> Network:
    """The operators of a candidate's file, before that exists.

    Args:
        layers: of the candidate, from `layers.Traces`.
        input: height and width of its input.
        precision: "float32" or "int8".
        target: processor of its int8 form.
    """
    size = (input.height, input.width)
    channels = layers[0].in_channels
    steps = [Step(kind="pixels", inputs=(), in_channels=channels, channels=channels, input=size, output=size)]
    places: list[int] = []  # the step that computes each layer
    for layer in layers:
        inputs = tuple(places[index] if index >= 0 else 0 for index in layer.inputs)
        if layer.kind == "norm":  # folded into the convolution
            places.append(inputs[0])
            continue
        steps.append(_step(layer, inputs))
        if precision == "int8" and target.groups_pixels and inputs == (0,):
            steps[-1] = _grouped(steps[-1], padding=layer.padding)
        places.append(len(steps) - 1)
    return Network(fused(steps, precision=precision), precision)


def _step(layer: Layer, inputs: tuple[int, ...]) -> Step:
    return Step(
        kind=layer.kind,
        inputs=inputs,
        in_channels=layer.in_channels,
        channels=layer.channels,
        input=(layer.input.height, layer.input.width),
        output=(layer.output.height, layer.output.width),
        kernel=(layer.kernel, layer.kernel),
        stride=(layer.stride, layer.stride),
        groups=layer.groups,
        activation=layer.activation,
    )


def _grouped(stem: Step, *, padding: str) -> Step:
    """The first convolution as it is after `quantize.passes.group_stem`; unchanged if that does not apply."""
    (rows, columns), (height, stride) = stem.input, (stem.kernel[0], stem.stride[1])
    applies = stem.kind == "conv" and stem.groups == 1 and stem.in_channels in (1, 3)
    if not applies or columns % _PIXELS_AT_ONCE or _PIXELS_AT_ONCE % stride or stem.output[1] * stride != columns:
        return stem
    border = (stem.output[1] - 1) * stride + stem.kernel[1] - columns
    before = stem.kernel[1] // 2 if padding == "symmetric" else max(border, 0) // 2
    last = _PIXELS_AT_ONCE - stride - before + stem.kernel[1] - 1
    width = last // _PIXELS_AT_ONCE - -before // _PIXELS_AT_ONCE + 1
    return Step(
        kind="conv",
        inputs=stem.inputs,
        in_channels=stem.in_channels * _PIXELS_AT_ONCE,
        channels=stem.channels * _PIXELS_AT_ONCE // stride,
        input=(rows, columns // _PIXELS_AT_ONCE),
        output=(stem.output[0], columns // _PIXELS_AT_ONCE),
        kernel=(height, width),
        stride=(stem.stride[0], 1),
        activation=stem.activation,
    )
