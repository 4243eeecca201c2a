"""The protobuf wire format, compared with the protobuf package."""

import hypothesis.strategies as st
import onnx
import pytest
from hypothesis import given

from edgekit.artifact.protobuf import MAX_FIELDS, delimited, fields, signed, varints
from edgekit.errors import ArtifactError


@given(st.binary(max_size=300))
def test_fields_cover_all_bytes_or_raise_artifact_error(data):
    try:
        parts = list(fields(memoryview(data)))
    except ArtifactError:
        return
    assert b"".join(data[part.start : part.end] for part in parts) == data


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_varints_reads_packed_integers_as_protobuf_writes_them(numbers):
    tensor = onnx.TensorProto(int64_data=numbers).SerializeToString()
    payloads = [tensor[part.payload : part.end] for part in fields(memoryview(tensor))]
    assert [signed(v) for payload in payloads for v in varints(memoryview(payload))] == numbers


def test_fields_refuses_a_tag_with_more_than_32_bits():
    """protobuf ignores the higher bits, so it would read field 25 (functions) where this reader reads another."""
    tag = (2**33 | 25 << 3 | 2).to_bytes(5, "little")
    number = int.from_bytes(tag, "little")
    encoded = bytes((number >> shift & 0x7F) | (0x80 if shift < 28 else 0) for shift in range(0, 35, 7))
    with pytest.raises(ArtifactError):
        list(fields(memoryview(encoded + b"\x00")))


def test_fields_reads_what_delimited_writes_and_limits_the_number_of_fields():
    (part,) = fields(memoryview(delimited(14, b"x" * 300)))
    assert (part.number, part.end - part.payload) == (14, 300)
    assert len(list(fields(memoryview(b"\x08\x01" * MAX_FIELDS)))) == MAX_FIELDS
    with pytest.raises(ArtifactError, match="100000 fields"):
        list(fields(memoryview(b"\x08\x01" * (MAX_FIELDS + 1))))
