"""Shapes of what an operator returns, by the shapes of its inputs, as in the specification of ONNX.

Each rule has the form `rule(call) -> shapes of the outputs`. A rule may return fewer shapes than there are outputs; the
others are unknown. It raises UnknownSizeError if a size depends on data, and any of MISFITS for a node that cannot run.
Extents that cannot be broadcast together become the larger one: the run will fail, but not take long.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from edgekit.artifact.guard.operator_call import OperatorCall, Shape, UnknownSizeError, positive_axis

Shapes = Sequence[Shape]
STRING = 8  # TensorProto.DataType
_OPEN_END = frozenset({2**31 - 1, 2**63 - 1})  # of a Slice that takes everything up to its last or first element


def same(call: OperatorCall) -> Shapes:
    """The shape of the first input."""
    return (call.shapes[0],)


def cast(call: OperatorCall) -> Shapes:
    """The shape of the input; strings are refused, because they lie outside of ONNX Runtime's limited memory."""
    if call.integer("to", 0) == STRING:
        raise UnknownSizeError
    return (call.shapes[0],)


def same_twice(call: OperatorCall) -> Shapes:
    """The shape of the first input for both outputs: values and a mask."""
    return (call.shapes[0], call.shapes[0])


def same_and_scalars(call: OperatorCall) -> Shapes:
    """The shape of the first input, then a scale and a zero point."""
    return (call.shapes[0], (), ())


def same_and_sums(call: OperatorCall) -> Shapes:
    """The shape of the first input, two statistics of its rows, and the sum of the inputs."""
    shape = call.shapes[0]
    return (shape, (*shape[:-1], 1), (*shape[:-1], 1), shape)


def same_as_second(call: OperatorCall) -> Shapes:
    """The shape of the second input."""
    return (call.shapes[1],)


def broadcast(call: OperatorCall) -> Shapes:
    """The shape that all inputs are broadcast to."""
    first, *others = (shape for shape in call.shapes if shape is not None)
    for other in others:
        if other != first:
            first = broadcast_shapes(first, other)
    return (first,)


def broadcast_quantized(call: OperatorCall) -> Shapes:
    """The same for two inputs that are followed by their scales and zero points."""
    return (broadcast_shapes(call.shapes[0], call.shapes[3]),)


def broadcast_shapes(first: Shape, second: Shape) -> Shape:
    """The shape that two shapes are broadcast to."""
    pairs = zip_longest(reversed(first), reversed(second), fillvalue=1)
    return tuple(b if a == 1 else a if b == 1 else max(a, b) for a, b in pairs)[::-1]


def reshape(call: OperatorCall) -> Shapes:
    """0 copies an extent, -1 stands for the rest."""
    shape, sizes = call.shapes[0], list(call.required_sizes(1, "shape"))
    if not call.integer("allowzero", 0):
        sizes = [shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    if -1 in sizes:
        known = math.prod(size for size in sizes if size != -1)
        sizes[sizes.index(-1)] = math.prod(shape) // known if known else 0
    return (tuple(sizes),)


def flatten(call: OperatorCall) -> Shapes:
    shape, axis = call.shapes[0], call.integer("axis", 1)
    axis = axis + len(shape) if axis < 0 else axis
    return ((math.prod(shape[:axis]), math.prod(shape[axis:])),)


def transpose(call: OperatorCall) -> Shapes:
    shape = call.shapes[0]
    order = call.integers("perm", range(len(shape))[::-1])
    if sorted(order) != list(range(len(shape))):
        raise ValueError(order)
    return (tuple(shape[axis] for axis in order),)


def squeeze(call: OperatorCall) -> Shapes:
    shape, axes = call.shapes[0], call.sizes(1, "axes")
    if axes is None:
        return (tuple(extent for extent in shape if extent != 1),)
    removed = {positive_axis(axis, len(shape)) for axis in axes}
    if any(shape[axis] != 1 for axis in removed):
        raise ValueError(axes)
    return (tuple(extent for axis, extent in enumerate(shape) if axis not in removed),)


def unsqueeze(call: OperatorCall) -> Shapes:
    shape, axes = list(call.shapes[0]), call.required_sizes(1, "axes")
    rank = len(shape) + len(axes)
    for axis in sorted(positive_axis(axis, rank) for axis in axes):
        shape.insert(axis, 1)
    return (tuple(shape),)


def concat(call: OperatorCall) -> Shapes:
    return _concat(call.shapes, call.integer("axis", 0))


def concat_quantized(call: OperatorCall) -> Shapes:
    """After the output's scale and zero point, each input is followed by its own."""
    return _concat(call.shapes[2::3], call.integer("axis", 0))


def _concat(shapes: Sequence[Shape], axis: int) -> Shapes:
    shape = list(shapes[0])
    shape[positive_axis(axis, len(shape))] = sum(part[axis] for part in shapes)
    return (tuple(shape),)


def split(call: OperatorCall) -> Shapes:
    shape = call.shapes[0]
    axis, parts = positive_axis(call.integer("axis", 0), len(shape)), call.sizes(1, "split")
    if parts is None:
        count = call.outputs
        each = -(-shape[axis] // count)
        parts = [each] * (count - 1) + [shape[axis] - each * (count - 1)]
    return [(*shape[:axis], part, *shape[axis + 1 :]) for part in parts]


def slice_(call: OperatorCall) -> Shapes:
    shape = list(call.shapes[0])
    for axis, span in slices(call):
        shape[axis] = len(span)
    return (tuple(shape),)


def slices(call: OperatorCall) -> Iterable[tuple[int, range]]:
    """The axes of a Slice with the indexes that it takes."""
    shape = call.shapes[0]
    starts, ends = call.required_sizes(1, "starts"), call.required_sizes(2, "ends")
    axes = call.sizes(3, "axes")
    steps = call.sizes(4)
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = positive_axis(number if axes is None else axes[number], len(shape))
        step = 1 if steps is None else steps[number]
        yield axis, _indexes(start, end, step, shape[axis])


def _indexes(start: int, end: int, step: int, extent: int) -> range:
    """The indexes from start to end as ONNX Runtime clamps them, which is not as Python does."""
    low, high = (-1, extent - 1) if step < 0 else (0, extent)
    start = min(max(start + extent if start < 0 else start, 0), high)
    if end in _OPEN_END:
        return range(start, low if step < 0 else high, step)
    return range(start, min(max(end + extent if end < 0 else end, low), extent), step)


def gather(call: OperatorCall) -> Shapes:
    shape, indexes = call.shapes[0], call.shapes[1]
    axis = positive_axis(call.integer("axis", 0), len(shape))
    return ((*shape[:axis], *indexes, *shape[axis + 1 :]),)


def gather_slices(call: OperatorCall) -> Shapes:
    shape, indexes = call.shapes[0], call.shapes[1]
    return ((*indexes[:-1], *shape[call.integer("batch_dims", 0) + indexes[-1] :]),)


def expand(call: OperatorCall) -> Shapes:
    return (broadcast_shapes(call.shapes[0], tuple(call.required_sizes(1))),)


def tile(call: OperatorCall) -> Shapes:
    return (tuple(extent * times for extent, times in zip(call.shapes[0], call.required_sizes(1), strict=True)),)


def pad(call: OperatorCall) -> Shapes:
    shape, pads, axes = list(call.shapes[0]), call.required_sizes(1, "pads"), call.sizes(3)
    axes = range(len(shape)) if axes is None else axes
    for number, axis in enumerate(axes):
        shape[axis] += pads[number] + pads[len(axes) + number]
    return (tuple(shape),)


def resize(call: OperatorCall) -> Shapes:
    shape, sizes = list(call.shapes[0]), call.sizes(3)
    axes = call.integers("axes", range(len(shape)))
    if sizes is not None:
        if call.text("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise UnknownSizeError
        for axis, size in zip(axes, sizes, strict=True):
            shape[axis] = size
        return (tuple(shape),)
    values = call.values[2 if call.has(2) else 1] if len(call.shapes) > 1 else call.attributes["scales"].numbers
    if not values:
        raise UnknownSizeError
    for axis, scale in zip(axes, values, strict=True):
        shape[axis] = int(_float32(scale * shape[axis]))
    return (tuple(shape),)


def _float32(number: float) -> float:
    (rounded,) = struct.unpack("<f", struct.pack("<f", number))
    return float(rounded)


def reduce(call: OperatorCall) -> Shapes:
    return _reduced(call, call.sizes(1, "axes"))


def reduce_quantized(call: OperatorCall) -> Shapes:
    return _reduced(call, call.sizes(len(call.shapes), "axes"))


def arg(call: OperatorCall) -> Shapes:
    return _reduced(call, [call.integer("axis", 0)])


def _reduced(call: OperatorCall, axes: Sequence[int] | None) -> Shapes:
    shape, keep = call.shapes[0], call.integer("keepdims", 1)
    if not axes:
        if call.integer("noop_with_empty_axes", 0):
            return (shape,)
        return ((1,) * len(shape) if keep else (),)
    reduced = {positive_axis(axis, len(shape)) for axis in axes}
    kept = enumerate(shape)
    return (tuple(1 if axis in reduced else extent for axis, extent in kept if keep or axis not in reduced),)


def top_k(call: OperatorCall) -> Shapes:
    shape = list(call.shapes[0])
    (shape[call.integer("axis", -1)],) = call.required_sizes(1, "k")
    return (tuple(shape), tuple(shape))


def one_hot(call: OperatorCall) -> Shapes:
    shape = list(call.shapes[0])
    (depth,) = call.required_sizes(1)
    shape.insert(positive_axis(call.integer("axis", -1), len(shape) + 1), depth)
    return (tuple(shape),)


def depth_to_space(call: OperatorCall) -> Shapes:
    (batch, channels, height, width), block = call.shapes[0], call.integer("blocksize", 0)
    return ((batch, channels // block**2, height * block, width * block),)


def space_to_depth(call: OperatorCall) -> Shapes:
    (batch, channels, height, width), block = call.shapes[0], call.integer("blocksize", 0)
    return ((batch, channels * block**2, height // block, width // block),)


def shape(call: OperatorCall) -> Shapes:
    return ((len(call.shapes[0][slice(call.integer("start", 0), call.integer("end", 2**31))]),),)


def scalar(call: OperatorCall) -> Shapes:
    return ((),)


def from_input(call: OperatorCall) -> Shapes:
    """The shape that the first input states."""
    return (tuple(call.required_sizes(0)),)


def from_attribute(call: OperatorCall) -> Shapes:
    return (tuple(call.integers("shape", ())),)


def range_(call: OperatorCall) -> Shapes:
    return ((len(span(call)),),)


def span(call: OperatorCall) -> range:
    """The integers of a Range."""
    (start,), (limit,), (delta,) = (call.required_sizes(index) for index in range(3))
    return range(start, limit, delta)


def multinomial(call: OperatorCall) -> Shapes:
    return ((call.shapes[0][0], call.integer("sample_size", 1)),)
