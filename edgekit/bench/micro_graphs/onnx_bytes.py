"""Writes ONNX models in the protobuf wire format, without the onnx package. Field numbers are those of onnx.proto."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgekit.artifact.protobuf import delimited, integer

Array: TypeAlias = "npt.NDArray[Any]"
Value: TypeAlias = "tuple[str, str, Sequence[int]]"
Attribute: TypeAlias = "int | float | Sequence[int]"

_IR_VERSION, _OPSET = 8, 18  # as edgekit's files
_FLOAT_ATTRIBUTE, _INT_ATTRIBUTE, _INTS_ATTRIBUTE = 1, 2, 7  # AttributeProto.AttributeType
# TensorProto.DataType
_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7}


def model(nodes: Sequence[bytes], *, constants: Mapping[str, Array], source: Value, output: Value) -> bytes:
    """An ONNX model.

    Args:
        nodes: each as `node` returns it, in topological order.
        constants: arrays by name.
        source: name, dtype and shape of the input.
        output: the same of the output.
    """
    graph = b"".join(delimited(1, entry) for entry in nodes) + delimited(2, b"micro_graph")
    graph += b"".join(delimited(5, _tensor(name, array)) for name, array in constants.items())
    graph += delimited(11, _value(*source)) + delimited(12, _value(*output))
    return integer(1, _IR_VERSION) + delimited(7, graph) + delimited(8, delimited(1, b"") + integer(2, _OPSET))


def node(kind: str, inputs: Sequence[str], output: str, attributes: Mapping[str, Attribute] | None = None) -> bytes:
    """One node with one output."""
    message = b"".join(delimited(1, name.encode()) for name in inputs) + delimited(2, output.encode())
    message += delimited(3, output.encode()) + delimited(4, kind.encode())
    return message + b"".join(delimited(5, _attribute(name, value)) for name, value in (attributes or {}).items())


def _attribute(name: str, value: Attribute) -> bytes:
    message = delimited(1, name.encode())
    if isinstance(value, float):
        fixed32 = bytes([2 << 3 | 5]) + struct.pack("<f", value)
        return message + fixed32 + integer(20, _FLOAT_ATTRIBUTE)
    if isinstance(value, int):
        return message + integer(3, value % 2**64) + integer(20, _INT_ATTRIBUTE)
    return message + b"".join(integer(8, entry) for entry in value) + integer(20, _INTS_ATTRIBUTE)


def _tensor(name: str, array: Array) -> bytes:
    dims = b"".join(integer(1, extent) for extent in array.shape)
    data = np.ascontiguousarray(array).tobytes()
    return dims + integer(2, _TYPES[array.dtype.name]) + delimited(8, name.encode()) + delimited(9, data)


def _value(name: str, dtype: str, shape: Sequence[int]) -> bytes:
    extents = delimited(2, b"".join(delimited(1, integer(1, extent)) for extent in shape))
    return delimited(1, name.encode()) + delimited(2, delimited(1, integer(1, _TYPES[dtype]) + extents))
