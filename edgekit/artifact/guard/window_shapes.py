"""Shapes and work of the operators that move a window over an image: convolutions and pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgekit.artifact.guard.operator_call import OperatorCall, Shape, UnknownSizeError
from edgekit.artifact.guard.work_units import PER_CALL, multiply_adds

_SAME = ("SAME_UPPER", "SAME_LOWER")


def _counts(call: OperatorCall, extents: Sequence[int], kernel: Sequence[int], *, pools: bool) -> Sequence[int]:
    """The number of positions of a window along each axis. extents: of the image; kernel: of the window."""
    ones, axes = (1,) * len(extents), range(len(extents))
    strides, dilations = call.integers("strides", ones), call.integers("dilations", ones)
    padding, ceil = call.text("auto_pad", "NOTSET"), call.integer("ceil_mode", 0)
    pads = (call.integers("pads", ()) if padding == "NOTSET" else ()) or (0,) * 2 * len(extents)
    if len(kernel) != len(extents):
        raise ValueError(kernel)
    if padding in _SAME:
        counts = [-(-extents[axis] // strides[axis]) for axis in axes]
        if not pools:
            return counts
        # Pooling pads as if the window were not dilated.
        spans = [(counts[axis] - 1) * strides[axis] + kernel[axis] for axis in axes]
        pads = (*(spans[axis] - extents[axis] for axis in axes), *(0 for _ in axes))
    counts = []
    for axis in axes:
        stride, padded = strides[axis], extents[axis] + pads[axis]
        room = padded + pads[axis + len(extents)] - dilations[axis] * (kernel[axis] - 1) - 1
        count = (-(-room // stride) if ceil else room // stride) + 1
        if ceil and (count - 1) * stride >= padded:  # no window starts in the padding at the end
            count -= 1
        counts.append(count)
    return counts


def convolution(call: OperatorCall) -> Sequence[Shape]:
    return _convolution(call, call.shapes[1])


def convolution_quantized(call: OperatorCall) -> Sequence[Shape]:
    return _convolution(call, call.shapes[3])


def _convolution(call: OperatorCall, weight: Shape) -> Sequence[Shape]:
    batch, _, *extents = call.shapes[0]
    if call.integer("channels_last", 0):
        raise UnknownSizeError
    return ((batch, weight[0], *_counts(call, extents, weight[2:], pools=False)),)


def convolution_work(call: OperatorCall, output: Shape) -> float:
    return _convolution_work(call, call.shapes[1], output)


def convolution_quantized_work(call: OperatorCall, output: Shape) -> float:
    return _convolution_work(call, call.shapes[3], output)


def _convolution_work(call: OperatorCall, weight: Shape, output: Shape) -> float:
    groups = call.positive("group")
    products = math.prod(output) * math.prod(weight[1:])
    return multiply_adds(products, least_extent=weight[0] // groups) + PER_CALL * groups * output[0]


def transposed_convolution(call: OperatorCall) -> Sequence[Shape]:
    (batch, _, *extents), weight = call.shapes[0], call.shapes[1]
    channels, ones = weight[1] * call.positive("group"), (1,) * len(extents)
    sizes = call.integers("output_shape", ())
    if sizes:
        return ((batch, channels, *sizes[-len(extents) :]),)
    strides, dilations = call.integers("strides", ones), call.integers("dilations", ones)
    pads = call.integers("pads", ()) or (0,) * 2 * len(extents)
    added = call.integers("output_padding", (0,) * len(extents))
    sizes = []
    for axis, extent in enumerate(extents):
        size = strides[axis] * (extent - 1) + added[axis] + (weight[axis + 2] - 1) * dilations[axis] + 1
        if call.text("auto_pad", "NOTSET") in _SAME:
            sizes.append(min(size, extent * strides[axis]))
        else:
            sizes.append(size - pads[axis] - pads[axis + len(extents)])
    return ((batch, channels, *sizes),)


def transposed_convolution_work(call: OperatorCall, output: Shape) -> float:
    image, weight = call.shapes[0], call.shapes[1]
    groups = call.positive("group")
    products = math.prod(image) * math.prod(weight[1:])
    return multiply_adds(products, least_extent=image[1] // groups) + PER_CALL * groups * output[0]


def window(call: OperatorCall) -> Sequence[Shape]:
    """Pooling: values and, for MaxPool, their positions."""
    batch, channels, *extents = call.shapes[0]
    if call.integer("channels_last", 0):
        raise UnknownSizeError
    counts = _counts(call, extents, call.integers("kernel_shape", ()), pools=True)
    return ((batch, channels, *counts),) * 2


def global_window(call: OperatorCall) -> Sequence[Shape]:
    batch, channels, *extents = call.shapes[0]
    if call.integer("channels_last", 0):
        raise UnknownSizeError
    return ((batch, channels, *(1 for _ in extents)),)


def window_work(call: OperatorCall, output: Shape) -> float:
    """The elements of all windows together."""
    kernel = call.integers("kernel_shape", ())
    if min(kernel) < 1:
        raise ValueError(kernel)
    return math.prod(output) * math.prod(kernel)
