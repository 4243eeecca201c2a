"""Tensors of the Open Inference Protocol: in JSON or, by its binary tensor data extension, as raw bytes.

A tensor's datatype, shape and size are compared with what the model accepts before any memory is allocated for it.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from edgekit.errors import SpecError, must_be, quote
from edgekit.image.source import Pixels
from edgekit.serve.infer_request import Input, Output
from edgekit.serve.request_errors import BodyTooLarge

if TYPE_CHECKING:
    import numpy.typing as npt

Values: TypeAlias = "npt.NDArray[np.floating[Any]] | list[list[str]]"

BYTES, UINT8 = "BYTES", "UINT8"
_DATATYPES = {"float32": "FP32", "float64": "FP64"}
_LENGTH = struct.Struct("<I")  # of each element of a binary BYTES tensor


def pixels(tensor: Input, *, shape: tuple[int, int, int], most: int) -> Pixels:
    """The pixels of a UINT8 tensor.

    Args:
        tensor: of shape (N, *shape).
        shape: height, width and channels of an image.
        most: largest N.

    Returns:
        uint8 (N, height, width, channels).

    Raises:
        BodyTooLarge: N is larger.
        SpecError: another datatype or shape, or data that does not fit the shape.
    """
    _check(tensor, datatype=UINT8, shapes=(shape,), most=most)
    if isinstance(tensor.data, list):
        values = _flat(tensor.data, tensor.shape)
        if not set(map(type, values)) <= {int}:
            raise SpecError("`inputs[0].data` must be integers from 0 to 255")
        try:
            data: bytes | memoryview = bytes(values)
        except ValueError:
            raise SpecError("`inputs[0].data` must be integers from 0 to 255") from None
    else:
        data = tensor.data
    if len(data) != math.prod(tensor.shape):
        raise SpecError(f"`inputs[0]` has {len(data)} bytes, but its shape has {math.prod(tensor.shape)}")
    return np.frombuffer(data, np.uint8).reshape(tensor.shape)


def elements(tensor: Input, *, most: int) -> list[bytes]:
    """The elements of a BYTES tensor: raw bytes with their lengths, or in JSON strings in base64.

    Args:
        tensor: of shape (N,) or (N, 1).
        most: largest N.

    Raises:
        BodyTooLarge: N is larger.
        SpecError: another datatype or shape, or data that does not fit the shape.
    """
    _check(tensor, datatype=BYTES, shapes=((), (1,)), most=most)
    if isinstance(tensor.data, list):
        return [_base64(text, n) for n, text in enumerate(_flat(tensor.data, tensor.shape))]
    found: list[bytes] = []
    data, count = tensor.data, tensor.shape[0]
    while len(data) >= _LENGTH.size and len(found) < count:
        (length,) = _LENGTH.unpack_from(data)
        data = data[_LENGTH.size :]
        if length > len(data):
            raise SpecError(f"`inputs[0]`: element {len(found)} has {length} bytes, but only {len(data)} follow")
        found.append(bytes(data[:length]))
        data = data[length:]
    if len(found) != count or data:
        raise SpecError(f"`inputs[0]` has {len(found)} elements and {len(data)} more bytes, but its shape has {count}")
    return found


def largest(values: npt.NDArray[np.floating[Any]], labels: tuple[str, ...], count: int) -> list[list[str]]:
    """The largest values of each row, largest first, as "VALUE:INDEX:LABEL".

    Args:
        values: (N, classes).
        labels: of the classes.
        count: how many of each row; all of them if there are fewer.
    """
    order = np.argsort(-values, axis=1, kind="stable")[:, :count]
    return [
        [f"{row[index]}:{index}:{labels[index]}" for index in best] for row, best in zip(values, order, strict=True)
    ]


def response(head: Mapping[str, Any], outputs: Iterable[tuple[Output, Values]]) -> tuple[bytes, int | None]:
    """Encode a response.

    Args:
        head: its fields without `outputs`.
        outputs: floats (N, classes), or lists of strings, all of the same length.

    Returns:
        the body, and the length of the JSON at its start if binary data follows, else None.
    """
    described, binary = [], []
    for output, values in outputs:
        datatype, rows = (
            (BYTES, values) if isinstance(values, list) else (_DATATYPES[values.dtype.name], values.tolist())
        )
        entry: dict[str, Any] = {"name": output.name, "datatype": datatype, "shape": [len(rows), len(rows[0])]}
        if output.binary:
            binary.append(_binary(values))
            entry["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            entry["data"] = list(chain.from_iterable(rows))
        described.append(entry)
    text = json.dumps({**head, "outputs": described}, separators=(",", ":"), allow_nan=False).encode()
    return b"".join([text, *binary]), len(text) if binary else None


def _check(tensor: Input, *, datatype: str, shapes: tuple[tuple[int, ...], ...], most: int) -> None:
    """Raises for another datatype, and for a shape other than (N, *shape) with N from 1 to `most`."""
    if tensor.datatype != datatype:
        raise SpecError(must_be("inputs[0].datatype", f"{datatype!r} for {tensor.name!r}", tensor.datatype))
    if tensor.shape[1:] not in shapes or tensor.shape[0] < 1:
        expected = " or ".join(f"[N{''.join(f', {size}' for size in shape)}]" for shape in shapes)
        raise SpecError(must_be("inputs[0].shape", f"{expected}, with N from 1 to {most}", list(tensor.shape)))
    if tensor.shape[0] > most:
        raise BodyTooLarge(f"`inputs[0]` has more than the limit of {most} images")


def _flat(data: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """The values of a tensor whose data is flat, or nested as its shape."""
    if not any(type(value) is list for value in data):
        if len(data) != math.prod(shape):
            raise SpecError(f"`inputs[0].data` has {len(data)} values, but its shape has {math.prod(shape)}")
        return data
    values = [data]
    for axis, size in enumerate(shape):
        if not all(type(value) is list and len(value) == size for value in values):
            raise SpecError(f"`inputs[0].data` does not have the shape {list(shape)}: axis {axis} differs")
        values = list(chain.from_iterable(values))
    return values


def _base64(text: Any, index: int) -> bytes:
    if not isinstance(text, str):
        raise SpecError(must_be(f"inputs[0].data[{index}]", "a string in base64", text))
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SpecError(f"`inputs[0].data[{index}]` is not base64: {error} (got {quote(text[:200])})") from None


def _binary(values: Values) -> bytes:
    if isinstance(values, list):
        texts = [text.encode() for text in chain.from_iterable(values)]
        return b"".join(_LENGTH.pack(len(text)) + text for text in texts)
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
