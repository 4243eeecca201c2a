"""Tensors in the protobuf wire format: whether one stores what it declares, and the values of a small one."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TypeAlias

from edgekit.artifact.protobuf import FIXED32, FIXED64, LENGTH_DELIMITED, VARINT, signed, varints
from edgekit.errors import ArtifactError, quote

Numbers: TypeAlias = Sequence[float]
# Name of a protobuf field, its payload, and the value of a varint, whose payload is empty (None otherwise).
NamedField: TypeAlias = tuple[str, memoryview, int | None]

# protobuf skips a field of an unexpected wire type, so accepting one here would mean something else than to protobuf.
_INTEGERS, _INTEGER = (VARINT, LENGTH_DELIMITED), (VARINT,)
WIRE_TYPES = {
    **dict.fromkeys(("dims", "ints", "int32_data", "int64_data", "uint64_data"), _INTEGERS),
    **dict.fromkeys(("i", "type", "data_type", "data_location"), _INTEGER),
    **dict.fromkeys(("floats", "float_data"), (FIXED32, LENGTH_DELIMITED)),
    "f": (FIXED32,),
    "double_data": (FIXED64, LENGTH_DELIMITED),
}

# By TensorProto.DataType: bits of one element, the field that stores it if there is no raw_data, and the struct format
# of the types that sizes have.
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
_STRUCT_FORMATS = {1: "f", 6: "i", 7: "q", 11: "d"}
_MAX_VALUE_BYTES = 16  # of one element in a typed field; a varint has up to 10
_MAX_SIZES = 64  # constants with at most this many elements are read: sizes have no more, weights do


def check_stored(name: str, data_type: int, elements: int, raw: memoryview | None, typed: list[NamedField]) -> None:
    """Check that a tensor stores as much as it declares.

    Args:
        name: of the tensor.
        data_type: declared TensorProto.DataType.
        elements: product of the declared dimensions.
        raw: its raw_data; None if absent.
        typed: its typed fields.

    Raises:
        ArtifactError: it stores another type, or more or fewer bytes.
    """
    if data_type != _STRING and data_type not in _BITS:
        raise ArtifactError(f"tensor {quote(name)} has the unknown data type {data_type}")
    if any(field != _TYPED_FIELDS[data_type] for field, _, _ in typed):
        raise ArtifactError(f"tensor {quote(name)} stores values of another type than it declares")
    if raw is not None:
        stored, required = len(raw), -(-elements * _BITS.get(data_type, 0) // 8)
        fits = stored == required and not typed and data_type != _STRING
    else:  # at least one byte per value, which may contain two 4-bit or four 2-bit elements
        stored = sum(len(payload) or 1 for _, payload, _ in typed)
        fits = elements <= stored * 4 and (data_type == _STRING or stored <= elements * _MAX_VALUE_BYTES)
    if not fits:
        raise ArtifactError(f"tensor {quote(name)} declares {elements} elements but stores {stored} bytes")


def values_of(data_type: int, elements: int, raw: memoryview | None, typed: list[NamedField]) -> Numbers | None:
    """Read the values of a small tensor of a type that sizes have.

    Args:
        data_type: as in `check_stored`.
        elements: as in `check_stored`.
        raw: as in `check_stored`.
        typed: as in `check_stored`.

    Returns:
        The values; None if the tensor is large or of another type.

    Raises:
        ArtifactError: it stores a different number of values than it declares.
    """
    struct_format = _STRUCT_FORMATS.get(data_type)
    if elements > _MAX_SIZES or struct_format is None:
        return None
    if raw is not None:
        return struct.unpack(f"<{elements}{struct_format}", raw)
    numbers = numbers_of(typed)
    if numbers is None or len(numbers) != elements:
        raise ArtifactError(f"a tensor declares {elements} elements but stores a different number")
    return numbers


def numbers_of(repeated: list[NamedField]) -> Numbers | None:
    """Read the numbers of a repeated field, packed or not; None if there are too many to be sizes."""
    numbers: list[float] = []
    for field, payload, value in repeated:
        if len(numbers) > _MAX_SIZES or len(payload) > _MAX_SIZES * _MAX_VALUE_BYTES:
            return None
        unused_bits = 32 if field == "int32_data" else 0  # upper bits, which protobuf ignores
        if value is not None and value < 2**31:  # as nearly all are
            numbers.append(value)
        elif value is not None:
            numbers.append(signed(value << unused_bits & 2**64 - 1) >> unused_bits)
        elif VARINT in WIRE_TYPES.get(field, ()):
            numbers.extend(signed(number << unused_bits & 2**64 - 1) >> unused_bits for number in varints(payload))
        else:
            code, width = ("d", 8) if field == "double_data" else ("f", 4)
            numbers.extend(struct.unpack(f"<{len(payload) // width}{code}", payload[: len(payload) // width * width]))
    return numbers if len(numbers) <= _MAX_SIZES else None
