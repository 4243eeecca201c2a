"""Weights of an ONNX file that are stored outside it: read into it, or cut out of it, in the protobuf wire format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from edgekit.artifact.protobuf import delimited, delimited_header, fields, integer
from edgekit.errors import ArtifactError, quote

Parts: TypeAlias = "list[memoryview | bytes]"

# Field numbers of onnx.proto.
_GRAPH, _INITIALIZER = 7, 5
_RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 9, 13, 14
_KEY, _VALUE = 1, 2
_EXTERNAL = 1  # value of data_location
_MAX_DIGITS = 18  # of an offset or a length


class Reference(NamedTuple):
    """Where the data of a tensor is.

    Attributes:
        location: name of the file.
        offset: of its first byte.
        length: in bytes; None for everything from the offset on.
    """

    location: str
    offset: int
    length: int | None


def references(model: bytes) -> list[Reference]:
    """Where the initializers that are stored outside the model are.

    Args:
        model: content of an ONNX file.

    Raises:
        ArtifactError: not an ONNX file, or a reference is not valid.
    """
    found = []
    for part in fields(memoryview(model)):
        if part.number == _GRAPH:
            graph = memoryview(model)[part.payload : part.end]
            found += [_reference(graph[p.payload : p.end]) for p in fields(graph) if p.number == _INITIALIZER]
    return [reference for reference in found if reference is not None]


def with_tensors(model: bytes, data_of: Callable[[Reference], memoryview]) -> Parts:
    """Store the initializers that are outside a model in the model.

    Args:
        model: content of an ONNX file.
        data_of: returns the data that a reference stands for.

    Returns:
        The new content in parts, of which the large ones are not copied.
    """

    def stored(tensor: memoryview, offset: int) -> Parts:
        reference = _reference(tensor)
        if reference is None:
            return [tensor]
        data = data_of(reference)
        return [*_without_data(tensor), delimited_header(_RAW_DATA, len(data)), data]

    return _with_initializers(model, stored)


def without_large_tensors(model: bytes, *, least_bytes: int) -> bytes:
    """Replace the data of large initializers by references to where it is in the model, with an empty location.

    Args:
        model: content of an ONNX file.
        least_bytes: length of the shortest data that is replaced.

    Returns:
        A short model, which `with_tensors` completes.
    """

    def referring(tensor: memoryview, offset: int) -> Parts:
        raw = next((part for part in fields(tensor) if part.number == _RAW_DATA), None)
        if raw is None or raw.end - raw.payload < least_bytes:
            return [tensor]
        entries = {"location": "", "offset": offset + raw.payload, "length": raw.end - raw.payload}
        encoded = [
            delimited(_EXTERNAL_DATA, delimited(_KEY, key.encode()) + delimited(_VALUE, str(value).encode()))
            for key, value in entries.items()
        ]
        return [*_without_data(tensor), *encoded, integer(_DATA_LOCATION, _EXTERNAL)]

    return b"".join(_with_initializers(model, referring))


def _with_initializers(model: bytes, change: Callable[[memoryview, int], Parts]) -> Parts:
    """The model with every initializer changed. change: of a tensor and its offset in the model."""
    message = memoryview(model)
    parts: Parts = []
    for part in fields(message):
        if part.number != _GRAPH:
            parts.append(message[part.start : part.end])
            continue
        graph: Parts = []
        for entry in fields(message[part.payload : part.end]):
            start, payload, end = (part.payload + offset for offset in (entry.start, entry.payload, entry.end))
            if entry.number == _INITIALIZER:
                tensor = change(message[payload:end], payload)
                graph += [delimited_header(_INITIALIZER, sum(map(len, tensor))), *tensor]
            else:
                graph.append(message[start:end])
        parts += [delimited_header(_GRAPH, sum(map(len, graph))), *graph]
    return parts


def _without_data(tensor: memoryview) -> Iterator[memoryview]:
    """The fields of a tensor that say neither what its data is nor where it is."""
    for part in fields(tensor):
        if part.number not in (_RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION):
            yield tensor[part.start : part.end]


def _reference(tensor: memoryview) -> Reference | None:
    """Where the data of a tensor is; None if it is in the model."""
    is_external, entries = False, {}
    for part in fields(tensor):
        if part.number == _DATA_LOCATION:
            is_external = part.value == _EXTERNAL
        elif part.number == _EXTERNAL_DATA:
            texts = {_KEY: "", _VALUE: ""}
            for text in fields(tensor[part.payload : part.end]):
                if text.number in texts:
                    texts[text.number] = str(
                        tensor[part.payload : part.end][text.payload : text.end], "utf-8", "replace"
                    )
            entries[texts[_KEY]] = texts[_VALUE]
    if not is_external:
        return None
    length = entries.get("length")
    return Reference(
        entries.get("location", ""),
        _count("offset", entries.get("offset", "0")),
        None if length is None else _count("length", length),
    )


def _count(name: str, digits: str) -> int:
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_DIGITS):
        raise ArtifactError(f"the {name} of external data must be a number of bytes (got {quote(digits)})")
    return int(digits)
