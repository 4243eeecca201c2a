"""Tensors on the wire: whether one holds what it says, and the numbers of a small one."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TypeAlias

from edgekit.artifact.protobuf import FIXED32, FIXED64, LENGTH_DELIMITED, VARINT, signed, varints
from edgekit.errors import ArtifactError

Numbers: TypeAlias = Sequence[float]
Part: TypeAlias = tuple[str, memoryview, int | None]

# A field of another wire type is skipped by protobuf, so it would mean one thing here and another there.
_INTEGERS, _INTEGER = (VARINT, LENGTH_DELIMITED), (VARINT,)
WIRE_TYPES = {
    **dict.fromkeys(("dims", "ints", "int32_data", "int64_data", "uint64_data"), _INTEGERS),
    **dict.fromkeys(("i", "type", "data_type", "data_location"), _INTEGER),
    **dict.fromkeys(("floats", "float_data"), (FIXED32, LENGTH_DELIMITED)),
    "f": (FIXED32,),
    "double_data": (FIXED64, LENGTH_DELIMITED),
}

# By TensorProto.DataType: bits of one element, the field that holds it where there are no raw bytes, and struct's
# letter for the types in which sizes are written.
FLOAT, INT64, _STRING = 1, 7, 8
_BITS = {
    **dict.fromkeys((25, 26), 2),
    **dict.fromkeys((21, 22, 23), 4),
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8),  # (u)int8, bool, the 8-bit floats
    **dict.fromkeys((4, 5, 10, 16), 16),
    **dict.fromkeys((1, 6, 12), 32),
    **dict.fromkeys((7, 11, 13, 14), 64),
    15: 128,
}
_TYPED_FIELDS = {
    **dict.fromkeys(_BITS, "int32_data"),
    1: "float_data",
    14: "float_data",
    11: "double_data",
    15: "double_data",
    7: "int64_data",
    12: "uint64_data",
    13: "uint64_data",
    _STRING: "string_data",
}
_LETTERS = {1: "f", 6: "i", 7: "q", 11: "d"}
_MAX_VALUE_BYTES = 16  # of one element in a typed field; a varint has up to 10
_MAX_SIZES = 64  # constants of at most so many elements are kept: those are sizes, not weights


def check_stored(name: str, data_type: int, elements: int, raw: memoryview | None, pieces: list[Part]) -> None:
    """Raises ArtifactError for a tensor of another type, or with more or fewer bytes, than it says."""
    if data_type != _STRING and data_type not in _BITS:
        raise ArtifactError(f"its tensor {name!r:.60} is of the unknown type {data_type}")
    if any(part != _TYPED_FIELDS[data_type] for part, _, _ in pieces):
        raise ArtifactError(f"its tensor {name!r:.60} holds values of another type than it says")
    if raw is not None:
        stored, exact = len(raw), -(-elements * _BITS.get(data_type, 0) // 8)
        fits = stored == exact and not pieces and data_type != _STRING
    else:  # at least a byte for each value, of which one may hold two 4-bit or four 2-bit elements
        stored = sum(len(payload) or 1 for _, payload, _ in pieces)
        fits = elements <= stored * 4 and (data_type == _STRING or stored <= elements * _MAX_VALUE_BYTES)
    if not fits:
        raise ArtifactError(f"its tensor {name!r:.60} says {elements} elements but holds {stored} bytes")


def values_of(data_type: int, elements: int, raw: memoryview | None, pieces: list[Part]) -> Numbers | None:
    """The numbers of a small tensor of a type in which sizes are written."""
    letter = _LETTERS.get(data_type)
    if elements > _MAX_SIZES or letter is None:
        return None
    if raw is not None:
        return struct.unpack(f"<{elements}{letter}", raw)
    numbers = numbers_of(pieces)
    if numbers is None or len(numbers) != elements:
        raise ArtifactError(f"one of its tensors says {elements} elements but holds others")
    return numbers


def numbers_of(pieces: list[Part]) -> Numbers | None:
    """The numbers of a repeated field, packed or one by one; None where they are many."""
    numbers: list[float] = []
    for part, payload, value in pieces:
        if len(numbers) > _MAX_SIZES or len(payload) > _MAX_SIZES * _MAX_VALUE_BYTES:
            return None
        if value is not None or VARINT in WIRE_TYPES.get(part, ()):
            unused = 32 if part == "int32_data" else 0  # upper bits, which protobuf drops
            values = varints(payload) if value is None else (value,)
            numbers.extend(signed(number << unused & 2**64 - 1) >> unused for number in values)
        else:
            code, width = ("d", 8) if part == "double_data" else ("f", 4)
            numbers.extend(struct.unpack(f"<{len(payload) // width}{code}", payload[: len(payload) // width * width]))
    return numbers if len(numbers) <= _MAX_SIZES else None
