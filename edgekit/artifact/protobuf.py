"""The protobuf wire format, as far as it is needed to read and rewrite ONNX files without the onnx package.

Reading copies nothing. Reference: protobuf.dev, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from edgekit.errors import ArtifactError

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
# More than any real model has (a quantized EfficientNet-B7 has 4,000 nodes); beyond it a file only keeps readers busy.
MAX_FIELDS = 100_000
_NOT_PROTOBUF = "not an ONNX file: not a protobuf message"
_TRUNCATED = "not an ONNX file, or a truncated one"


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: field number.
        wire_type: VARINT, FIXED64, LENGTH_DELIMITED or FIXED32.
        start: offset of the field in the message.
        payload: offset of its value, after the tag and the length.
        end: offset of the byte after the field.
        value: unsigned 64-bit value of a VARINT field; 0 for other wire types.
    """

    number: int
    wire_type: int
    start: int
    payload: int
    end: int
    value: int


def fields(message: memoryview) -> Iterator[Field]:
    """Iterate over the fields of a message, in order.

    Raises:
        ArtifactError: not a protobuf message, or one with more than MAX_FIELDS fields.
    """
    return map(Field._make, plain_fields(message))


def plain_fields(message: memoryview) -> Iterator[tuple[int, int, int, int, int, int]]:
    """The same as plain tuples, for readers of thousands of fields: they take half the time."""
    position, size, remaining = 0, len(message), MAX_FIELDS
    try:
        while position < size:
            start, value, tag = position, 0, message[position]
            if tag < 0x80:  # a single byte, as nearly all are
                position += 1
            else:
                tag, position = _varint(message, position)
            payload, wire_type = position, tag & 7
            if wire_type == LENGTH_DELIMITED:
                length = message[position]
                if length < 0x80:
                    payload += 1
                else:
                    length, payload = _varint(message, position)
                position = payload + length
            elif wire_type == VARINT:
                value, position = _varint(message, position)
            elif wire_type in (FIXED32, FIXED64):
                position += 4 if wire_type == FIXED32 else 8
            else:
                raise ArtifactError(_NOT_PROTOBUF)
            # protobuf reads a tag as 32 bits and ignores higher ones, so it would understand a longer one differently.
            if position > size or tag < 8 or tag >= 2**32:
                raise ArtifactError(_TRUNCATED)
            remaining -= 1
            if remaining < 0:
                raise ArtifactError(f"not a model: a protobuf message with more than {MAX_FIELDS} fields")
            yield tag >> 3, wire_type, start, payload, position, value
    except IndexError:
        raise ArtifactError(_TRUNCATED) from None


def varints(payload: memoryview) -> Iterator[int]:
    """Iterate over the values of a packed repeated field, as unsigned 64-bit numbers."""
    position = 0
    while position < len(payload):
        value, position = _varint(payload, position)
        yield value


def signed(value: int) -> int:
    """Convert an unsigned 64-bit number to the int64 with the same bits (two's complement)."""
    return value - 2**64 if value >= 2**63 else value


def delimited(number: int, payload: bytes) -> bytes:
    """Encode a length-delimited field."""
    return delimited_header(number, len(payload)) + payload


def delimited_header(number: int, length: int) -> bytes:
    """Encode what precedes the payload of a length-delimited field: its tag and its length in bytes."""
    return _encoded(number << 3 | LENGTH_DELIMITED) + _encoded(length)


def integer(number: int, value: int) -> bytes:
    """Encode a field with an unsigned number."""
    return _encoded(number << 3 | VARINT) + _encoded(value)


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return the value at `position`, and the position after it."""
    if message[position] < 0x80:  # a single byte, as nearly all are
        return message[position], position + 1
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ArtifactError(_TRUNCATED)
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), position
    raise ArtifactError(_NOT_PROTOBUF)


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes((value,))
