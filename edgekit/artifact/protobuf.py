"""The protobuf wire format, as far as reading and rewriting an ONNX file needs it: no onnx package, nothing copied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from edgekit.errors import ArtifactError

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
# Past this a message is no model but a way to keep its reader busy; EfficientNet-B7 has 4,000 nodes when quantized.
MAX_FIELDS = 100_000


class Field(NamedTuple):
    """One field of a message: its number, its wire type, and where it lies.

    start and end: of the whole field. payload: where its value starts, behind the tag and the length. value: of a
    varint, as an unsigned 64-bit number; 0 for the other wire types.
    """

    number: int
    wire_type: int
    start: int
    payload: int
    end: int
    value: int


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message, in their order. Raises ArtifactError for bytes that are not one."""
    at, size, left = 0, len(message), MAX_FIELDS
    while at < size:
        start, value = at, 0
        tag, at = _varint(message, at)
        number, wire_type, payload, left = tag >> 3, tag & 7, at, left - 1
        if wire_type == LENGTH_DELIMITED:
            length, payload = _varint(message, at)
            at = payload + length
        elif wire_type == VARINT:
            value, at = _varint(message, at)
        elif wire_type in (FIXED32, FIXED64):
            at += 4 if wire_type == FIXED32 else 8
        else:
            raise ArtifactError("not an ONNX file: no protobuf message")
        # protobuf reads a tag as 32 bits and drops what lies above, so a longer one would mean something else to it.
        if at > size or number == 0 or tag >= 2**32:
            raise ArtifactError("not an ONNX file, or one that is cut short")
        if left < 0:
            raise ArtifactError(f"not a model: a message of more than {MAX_FIELDS} parts")
        yield Field(number, wire_type, start, payload, at, value)


def varints(payload: memoryview) -> Iterator[int]:
    """The numbers of a packed repeated field, unsigned."""
    at = 0
    while at < len(payload):
        value, at = _varint(payload, at)
        yield value


def signed(value: int) -> int:
    """An unsigned 64-bit number read as two's complement, which is how int64 travels."""
    return value - 2**64 if value >= 2**63 else value


def delimited(number: int, payload: bytes) -> bytes:
    """A length-delimited field as bytes."""
    return _encoded(number << 3 | LENGTH_DELIMITED) + _encoded(len(payload)) + payload


def integer(number: int, value: int) -> bytes:
    """A field of an unsigned number as bytes."""
    return _encoded(number << 3 | VARINT) + _encoded(value)


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The value at `at`, and where the next byte lies."""
    if at < len(message) and message[at] < 0x80:  # nearly all of them
        return message[at], at + 1
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ArtifactError("not an ONNX file, or one that is cut short")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), at
    raise ArtifactError("not an ONNX file: no protobuf message")


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes((value,))
