"""Values of small integer tensors: exporters compute sizes in the graph, from the shapes of its tensors.

Each rule has the form `rule(call, shape) -> values`: those of the first output, whose shape is known, as integers in
row-major order, or None if they are not known. The values of all inputs are known integers.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from edgekit.artifact.guard import shape_rules
from edgekit.artifact.guard.operator_call import OperatorCall, Shape

Values: TypeAlias = Sequence[int]
MAX_VALUES = 64
_MAX_INT = 2**31 - 1
_INTEGER_TYPES, _BOOL = (6, 7), 9  # TensorProto.DataType: int32, int64; bool


def _shape(call: OperatorCall, _: Shape) -> Values:
    extents: Values = call.shapes[0][slice(call.integer("start", 0), call.integer("end", _MAX_INT))]
    return extents


def _size(call: OperatorCall, _: Shape) -> Values:
    return [math.prod(call.shapes[0])]


def _unchanged(call: OperatorCall, _: Shape) -> Values:
    values: Values = call.values[0]
    return values


def _cast(call: OperatorCall, _: Shape) -> Values | None:
    kind = call.integer("to", 0)
    if kind == _BOOL:
        return [int(value != 0) for value in call.values[0]]
    return _within_int32(call.values[0]) if kind in _INTEGER_TYPES else None


def _within_int32(values: Iterable[int]) -> Values | None:
    """Arithmetic with larger numbers may overflow in ONNX Runtime, so it is not followed."""
    values = list(values)
    return values if all(-_MAX_INT <= value <= _MAX_INT for value in values) else None


def _elementwise(function: Callable[..., int]) -> Callable[[OperatorCall, Shape], Values | None]:
    def rule(call: OperatorCall, shape: Shape) -> Values | None:
        count = math.prod(shape)
        operands = [values * count if len(values) == 1 else values for values in map(list, call.values)]
        if any(len(values) != count for values in operands) or not all(map(_within_int32, operands)):
            return None
        return _within_int32(int(function(*numbers)) for numbers in zip(*operands, strict=True))

    return rule


def _quotient(dividend: int, divisor: int) -> int:
    """Rounds toward zero, as integers do in ONNX."""
    return abs(dividend) // abs(divisor) * (1 if (dividend < 0) == (divisor < 0) else -1)


def _remainder(dividend: int, divisor: int) -> int:
    if dividend < 0 or divisor < 0:
        raise ValueError(dividend)
    return dividend % divisor


def _reduced(function: Callable[[Values], int]) -> Callable[[OperatorCall, Shape], Values | None]:
    def rule(call: OperatorCall, shape: Shape) -> Values | None:
        return _within_int32([function(call.values[0])]) if math.prod(shape) == 1 else None

    return rule


def _where(call: OperatorCall, shape: Shape) -> Values | None:
    count = math.prod(shape)
    chosen, first, second = (list(values) * (count if len(values) == 1 else 1) for values in call.values)
    if not len(chosen) == len(first) == len(second) == count:
        return None
    return [first[index] if yes else second[index] for index, yes in enumerate(chosen)]


def _concat(call: OperatorCall, _: Shape) -> Values | None:
    axis = call.integer("axis", 0)
    if any(math.prod(shape[:axis]) != 1 for shape in call.shapes):
        return None
    return list(itertools.chain.from_iterable(call.values))


def _gather(call: OperatorCall, _: Shape) -> Values | None:
    values, indexes = call.values
    row, count = math.prod(call.shapes[0][1:]), call.shapes[0][0]
    if call.integer("axis", 0) != 0 or not all(-count <= index < count for index in indexes):
        return None
    return [value for index in indexes for value in values[index % count * row :][:row]]


def _slice(call: OperatorCall, _: Shape) -> Values:
    spans = [range(extent) for extent in call.shapes[0]]
    for axis, span in shape_rules.slices(call):
        spans[axis] = span
    return _picked(call, spans, range(len(spans)))


def _transpose(call: OperatorCall, shape: Shape) -> Values:
    order = call.integers("perm", range(len(shape))[::-1])
    return _picked(call, [range(call.shapes[0][axis]) for axis in order], order)


def _picked(call: OperatorCall, spans: Sequence[range], axes: Iterable[int]) -> Values:
    """The values at all combinations of the indexes; axes: which axis of the input each span belongs to."""
    strides = [math.prod(call.shapes[0][axis + 1 :]) for axis in axes]
    values = call.values[0]
    return [values[sum(map(operator.mul, indexes, strides))] for indexes in itertools.product(*spans)]


def _filled(call: OperatorCall, shape: Shape) -> Values | None:
    numbers = call.attributes["value"].numbers if "value" in call.attributes else (0,)
    (value,) = numbers or (None,)
    return [value] * math.prod(shape) if isinstance(value, int) else None


def _expand(call: OperatorCall, shape: Shape) -> Values | None:
    values, count = list(call.values[0]), math.prod(shape)
    return values * count if len(values) == 1 else values if len(values) == count else None


def _range(call: OperatorCall, _: Shape) -> Values:
    return shape_rules.span(call)


VALUE_RULES: dict[str, Callable[[OperatorCall, Shape], Values | None]] = {
    "Shape": _shape,
    "Size": _size,
    **dict.fromkeys(("Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten"), _unchanged),
    "Cast": _cast,
    "Add": _elementwise(operator.add),
    "Sub": _elementwise(operator.sub),
    "Mul": _elementwise(operator.mul),
    "Div": _elementwise(_quotient),
    "Mod": _elementwise(_remainder),
    "Neg": _elementwise(operator.neg),
    "Abs": _elementwise(abs),
    "Min": _elementwise(min),
    "Max": _elementwise(max),
    "Equal": _elementwise(operator.eq),
    "Less": _elementwise(operator.lt),
    "Greater": _elementwise(operator.gt),
    "LessOrEqual": _elementwise(operator.le),
    "GreaterOrEqual": _elementwise(operator.ge),
    "Not": _elementwise(operator.not_),
    "And": _elementwise(min),
    "Or": _elementwise(max),
    "ReduceProd": _reduced(math.prod),
    "ReduceSum": _reduced(sum),
    "ReduceMax": _reduced(max),
    "ReduceMin": _reduced(min),
    "Where": _where,
    "Concat": _concat,
    "Gather": _gather,
    "Slice": _slice,
    "Transpose": _transpose,
    "ConstantOfShape": _filled,
    "Expand": _expand,
    "Range": _range,
}
# Their result depends on the shape of the input alone.
OF_SHAPES = frozenset({"Shape", "Size"})
