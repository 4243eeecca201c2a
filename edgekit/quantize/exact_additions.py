"""Ranges with which the additions of a quantized network have the same result on every processor.

onnxruntime adds tensors of 8 bits in float32: a * A / C + b * B / C, where A and B are the scales of the inputs and C
that of the output. Arm rounds differently from x86 and WebAssembly: it subtracts the zero points of the inputs as
integers, fuses multiplications and additions, and rounds a half away from zero. So results differ where the sum is
within 0.0002 of a half: one element in 40,000 of MobileNetV2, which moved a logit by 0.25.

If both ratios of scales are multiples of 1/1023, so is the sum, and none is within 0.0004 of a half, because 1023 is
odd. tests/arm64 compares the processors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from edgekit.quantize.ranges import Range

_PARTS = 1023
_LARGEST = 2 * _PARTS  # of a ratio; above, the errors of float32 could reach a half


class Addition(NamedTuple):
    """The names of the tensors whose ranges are those of an addition's inputs and of its output."""

    first: str
    second: str
    output: str


def with_exact_additions(
    ranges: Mapping[str, Range], additions: Iterable[Addition], *, fixed: Iterable[str] = ()
) -> dict[str, Range]:
    """Widen the ranges of additions so that the ratios of their scales are multiples of 1/1023.

    Those of outputs and of inputs that are about as large become wider by up to 0.2%. An addition whose output
    is fixed, or whose inputs are both fixed or settled by earlier additions, keeps its ranges.

    Args:
        ranges: by tensor name.
        additions: in the order in which they are computed.
        fixed: tensors whose ranges must not change.

    Returns:
        All ranges; those of other tensors are unchanged.
    """
    widened, settled = dict(ranges), set(fixed)
    for addition in additions:
        first, second, output = addition
        if not all(widened[name].step for name in addition) or output in settled or settled.issuperset(addition[:2]):
            continue
        # The output follows the input that must not change any more, or the one with the larger scale.
        if second in settled or (first not in settled and widened[second].step > widened[first].step):
            first, second = second, first
        leading = widened[first].step
        parts = math.floor(leading / widened[output].step * _PARTS)
        step = leading * _PARTS / max(parts, 1)
        other_parts = max(math.ceil(widened[second].step / step * _PARTS), 1)
        if not 1 <= parts <= _LARGEST or other_parts > _LARGEST:
            continue
        widened[output] = _with_step(widened[output], step)
        if second != first:
            widened[second] = _with_step(widened[second], step * other_parts / _PARTS)
        settled.update(addition)
    return widened


def _with_step(limits: Range, step: float) -> Range:
    """The range with another step and the same zero point."""
    factor = step / limits.step
    return Range(limits.lowest * factor, limits.highest * factor)
