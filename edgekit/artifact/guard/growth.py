"""Operators that make much out of little: what a few bytes of sizes and factors would fill the memory with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edgekit.artifact.guard.model_limits import ModelLimits
from edgekit.artifact.guard.tensors import Numbers
from edgekit.errors import ArtifactError

# Which of an operator's inputs say how much it makes: a shape, or factors.
_SHAPES = {"ConstantOfShape": 0, "Expand": 1, "Resize": 3}
_FACTORS = {"Tile": (1,), "Resize": (1, 2), "Upsample": (1,), "OneHot": (1,)}
_FROM_NOTHING = frozenset({"ConstantOfShape", "Range"})
# What takes a size that a tensor really has and answers no larger one.
_MEASURING = frozenset({"Squeeze", "Unsqueeze", "Gather", "Slice", "Cast", "Identity"})
_GROWING = _FROM_NOTHING | {"Pad", *_SHAPES, *_FACTORS}
_SHAPE_ATTRIBUTES = frozenset({"shape", "output_shape"})
_STEP_ATTRIBUTES = frozenset({"pads", "kernel_shape", "strides", "dilations", "output_padding", "scales", "repeats"})


class GrowthCheck:
    """Adds up what the nodes of a graph make, as far as numbers written in the file say so.

    constants: the small numeric ones by name, None for the others; it is filled while the file is read.
    """

    def __init__(self, constants: Mapping[str, Numbers | None], limits: ModelLimits) -> None:
        self._constants, self._limits = constants, limits
        self._elements = 0.0
        self._measured: set[str] = set()  # names of sizes that tensors really have

    def attribute(self, op_type: str, name: str, numbers: Numbers | None) -> None:
        """Raises ArtifactError for an attribute of sizes that are too large; numbers: None for too many of them."""
        is_shape = name in _SHAPE_ATTRIBUTES
        if not is_shape and name not in _STEP_ATTRIBUTES:
            return
        if numbers is None:
            raise ArtifactError(f"its operator {op_type!r:.60} has sizes that are no small whole numbers")
        if is_shape:
            self._make(op_type, numbers)
        else:
            self._check_factor(op_type, max(map(abs, numbers), default=0))

    def node(self, op_type: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Raises ArtifactError for a node that makes a huge tensor; nodes are shown to it in topological order."""
        if op_type in _GROWING:
            self._check_inputs(op_type, inputs)
        if op_type == "Shape" or (op_type in _MEASURING and inputs and inputs[0] in self._measured):
            self._measured.update(outputs)

    def _check_inputs(self, op_type: str, inputs: Sequence[str]) -> None:
        numbers = [self._constants.get(name, ()) for name in inputs[:4]] + [()] * 4
        small = [sizes for sizes in numbers if sizes is not None]
        if op_type in _FROM_NOTHING and not all(name in self._constants or name in self._measured for name in inputs):
            raise ArtifactError(f"its operator {op_type} makes a tensor whose size is not written in the file")
        if len(small) < len(numbers) and (op_type in _FROM_NOTHING or None in numbers[1:]):
            raise ArtifactError(f"its operator {op_type} has sizes that are no small whole numbers")
        if op_type in _SHAPES:
            self._make(op_type, numbers[_SHAPES[op_type]] or ())
        for position in _FACTORS.get(op_type, ()):
            self._check_factor(op_type, math.prod(map(abs, numbers[position] or ())))
        if op_type == "Pad":
            self._check_factor(op_type, max(map(abs, numbers[1] or ()), default=0))
        elif op_type == "Range":
            start, limit, delta = (next(iter(sizes), 0.0) for sizes in small[:3])  # 0 where it is measured
            self._make(op_type, (abs(limit - start) / (abs(delta) or 1.0),))

    def _make(self, op_type: str, shape: Numbers) -> None:
        self._elements += math.prod(abs(float(extent)) for extent in shape)
        if not self._elements <= self._limits.max_made:
            raise ArtifactError(f"its operator {op_type!r:.60} makes more than {self._limits.max_made} elements")

    def _check_factor(self, op_type: str, factor: float) -> None:
        if not factor <= self._limits.max_factor:
            raise ArtifactError(f"its operator {op_type!r:.60} stretches by more than {self._limits.max_factor}")
