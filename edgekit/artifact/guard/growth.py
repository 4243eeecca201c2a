"""Operators that generate much from little: a few bytes with sizes or factors could exhaust memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edgekit.artifact.guard.model_limits import ModelLimits
from edgekit.artifact.guard.tensors import Numbers
from edgekit.errors import ArtifactError, quote

# Positions of the inputs that determine the size of an operator's output, as a shape or as factors.
_SHAPES = {"ConstantOfShape": 0, "Expand": 1, "Resize": 3}
_FACTORS = {"Tile": (1,), "Resize": (1, 2), "Upsample": (1,), "OneHot": (1,)}
_GENERATORS = frozenset({"ConstantOfShape", "Range"})
_GROWING = _GENERATORS | {"Pad", *_SHAPES, *_FACTORS}
_SHAPE_ATTRIBUTES = frozenset({"shape", "output_shape"})
_FACTOR_ATTRIBUTES = frozenset({"pads", "kernel_shape", "strides", "dilations", "output_padding", "scales", "repeats"})


class GrowthCheck:
    """Adds up the elements that the nodes of a graph generate, as far as sizes written in the file reveal them.

    Args:
        constants: values of the small numeric constants by name; None for other constants. Filled while the file is
            read, and so complete when the first node is checked.
        limits: on what is generated.
    """

    def __init__(self, constants: Mapping[str, Numbers | None], limits: ModelLimits) -> None:
        self._constants, self._limits = constants, limits
        self._elements = 0.0

    def check_attribute(self, op_type: str, name: str, numbers: Numbers | None) -> None:
        """Raise ArtifactError if an attribute has sizes that are too large. numbers: None if there are too many."""
        is_shape = name in _SHAPE_ATTRIBUTES
        if not is_shape and name not in _FACTOR_ATTRIBUTES:
            return
        if numbers is None:
            raise ArtifactError(_unreadable_sizes(op_type))
        if is_shape:
            self._add_elements(op_type, numbers)
        else:
            self._check_factor(op_type, max(map(abs, numbers), default=0))

    def check_node(self, op_type: str, inputs: Sequence[str]) -> None:
        """Raise ArtifactError for a node that generates a huge tensor. `costs` computes sizes that are not written."""
        if op_type not in _GROWING:
            return
        numbers = [self._constants.get(name, ()) for name in inputs[:4]] + [()] * 4
        readable = [values for values in numbers if values is not None]
        if len(readable) < len(numbers) and (op_type in _GENERATORS or None in numbers[1:]):
            raise ArtifactError(_unreadable_sizes(op_type))
        if op_type in _SHAPES:
            self._add_elements(op_type, numbers[_SHAPES[op_type]] or ())
        for position in _FACTORS.get(op_type, ()):
            self._check_factor(op_type, math.prod(map(abs, numbers[position] or ())))
        if op_type == "Pad":
            self._check_factor(op_type, max(map(abs, numbers[1] or ()), default=0))
        elif op_type == "Range":
            start, limit, delta = (next(iter(values), 0.0) for values in readable[:3])  # 0 for a computed size
            self._add_elements(op_type, (abs(limit - start) / (abs(delta) or 1.0),))

    def _add_elements(self, op_type: str, shape: Numbers) -> None:
        self._elements += math.prod(abs(float(extent)) for extent in shape)
        maximum = self._limits.max_generated_elements
        if not self._elements <= maximum:  # also refuses NaN
            raise ArtifactError(f"operator {quote(op_type)} generates more than {maximum} elements")

    def _check_factor(self, op_type: str, factor: float) -> None:
        maximum = self._limits.max_expansion
        if not factor <= maximum:
            raise ArtifactError(f"operator {quote(op_type)} expands a tensor by more than a factor of {maximum}")


def _unreadable_sizes(op_type: str) -> str:
    return f"operator {quote(op_type)} has sizes that are not a short list of numbers"
