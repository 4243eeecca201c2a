"""One node of a graph with what is known about its inputs: their shapes, and the values of small integer tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from edgekit.artifact.guard.tensors import Numbers

Shape: TypeAlias = Sequence[int]
# What a rule raises for inputs and attributes that do not fit together; it needs no checks of its own.
MISFITS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class UnknownSizeError(Exception):
    """A size is computed from data, so it is not known before the model runs."""


class Constant(NamedTuple):
    """A value that is written in the file: a tensor, a number, a list of numbers or a text.

    Attributes:
        name: of the tensor or attribute.
        data_type: its TensorProto.DataType; 0 for a text.
        numbers: the values of a small numeric one, else None.
        shape: of a tensor or list; None if it is unknown.
        text: of a text.
    """

    name: str
    data_type: int
    numbers: Numbers | None
    shape: Shape | None = None
    text: str = ""


class OperatorCall(NamedTuple):
    """A node whose inputs have known shapes.

    Attributes:
        attributes: by name.
        shapes: of the inputs; None for one that was left out.
        values: of the inputs: the integers of a small tensor, in row-major order, or None.
        outputs: number of outputs.
        floats: whether an input is certainly a float tensor.
    """

    attributes: Mapping[str, Constant]
    shapes: Sequence[Any]
    values: Sequence[Any]
    outputs: int
    floats: bool

    def integer(self, name: str, default: int) -> int:
        """Read an attribute that is an integer."""
        attribute = self.attributes.get(name)
        return default if attribute is None else int((attribute.numbers or ())[0])

    def positive(self, name: str) -> int:
        """Read an attribute that is a count; 1 by default."""
        count = self.integer(name, 1)
        if count < 1:
            raise ValueError(count)
        return count

    def text(self, name: str, default: str = "") -> str:
        """Read an attribute that is a text."""
        attribute = self.attributes.get(name)
        return default if attribute is None else attribute.text

    def integers(self, name: str, default: Sequence[int]) -> Sequence[int]:
        """Read an attribute that is a list of integers."""
        attribute = self.attributes.get(name)
        return default if attribute is None else as_integers(attribute.numbers)

    def has(self, index: int) -> bool:
        """Return whether an input is present."""
        return index < len(self.shapes) and self.shapes[index] is not None

    def sizes(self, index: int, name: str = "") -> Sequence[int] | None:
        """Read integers from an input, or in older opsets from an attribute; None if neither is present.

        Raises:
            UnknownSizeError: the input is computed from data.
        """
        if self.has(index):
            return as_integers(self.values[index])
        return as_integers(self.attributes[name].numbers) if name in self.attributes else None

    def required_sizes(self, index: int, name: str = "") -> Sequence[int]:
        """Read integers as `sizes` does; they have to be present."""
        sizes = self.sizes(index, name)
        if sizes is None:
            raise ValueError(name)
        return sizes


def as_integers(numbers: Numbers | None) -> Sequence[int]:
    """Return the numbers, which have to be known integers."""
    if numbers is None:
        raise UnknownSizeError
    for number in numbers:
        if not isinstance(number, int):
            raise UnknownSizeError
    return numbers  # type: ignore[return-value]


def positive_axis(axis: int, rank: int) -> int:
    """Count an axis from the front."""
    if not -rank <= axis < rank:
        raise ValueError(axis)
    return axis % rank
