"""The metadata_props of an ONNX file, read and written in the protobuf wire format."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.artifact.protobuf import delimited, fields
from edgekit.errors import ArtifactError, quote

# Field numbers of onnx.proto: ModelProto.metadata_props, and key and value of StringStringEntryProto.
_METADATA_PROPS, _ENTRY_KEY, _ENTRY_VALUE = 14, 1, 2
# Of all metadata of a file: what readers make of it takes a multiple of that.
MAX_METADATA_BYTES = 16 * 2**20


def is_ort_format(model: bytes) -> bool:
    """Return whether ONNX Runtime would read the bytes as its own format (.ort), whatever else they are."""
    return model[4:8] == b"ORTM"


def read_metadata(model: bytes) -> dict[str, str]:
    """Read the metadata of an ONNX file.

    Args:
        model: content of the file.

    Returns:
        Values by key.

    Raises:
        ArtifactError: not an ONNX file, too much metadata, or a key occurs twice: ONNX Runtime would use the last value
            and other tools the first, so neither can be trusted.
    """
    if not model:
        raise ArtifactError("not an ONNX file: the file is empty")
    metadata: dict[str, str] = {}
    message, remaining = memoryview(model), MAX_METADATA_BYTES
    for part in fields(message):
        if part.number == _METADATA_PROPS:
            remaining -= part.end - part.start
            if remaining < 0:
                raise ArtifactError(f"more than {MAX_METADATA_BYTES} bytes of metadata")
            key, value = _entry(message[part.payload : part.end])
            if key in metadata:
                raise ArtifactError(f"duplicate metadata key {quote(key)}")
            metadata[key] = value
    return metadata


def _entry(message: memoryview) -> tuple[str, str]:
    texts = {_ENTRY_KEY: "", _ENTRY_VALUE: ""}
    for part in fields(message):
        if part.number in texts:
            try:
                texts[part.number] = str(message[part.payload : part.end], "utf-8")
            except UnicodeDecodeError:
                raise ArtifactError("the metadata is not valid UTF-8") from None
    return texts[_ENTRY_KEY], texts[_ENTRY_VALUE]


def with_metadata(model: bytes, metadata: Mapping[str, str]) -> bytes:
    """Return the content of an ONNX file with its metadata replaced and everything else unchanged.

    Args:
        model: content of the file.
        metadata: values by key.
    """
    return b"".join((*without_metadata(model), metadata_fields(metadata)))


def without_metadata(model: bytes) -> list[bytes | memoryview]:
    """Return the content of an ONNX file without its metadata, in parts that refer to it.

    Args:
        model: content of the file.
    """
    message = memoryview(model)
    return [message[part.start : part.end] for part in fields(message) if part.number != _METADATA_PROPS]


def metadata_fields(metadata: Mapping[str, str]) -> bytes:
    """Return metadata as the fields of an ONNX file.

    Args:
        metadata: values by key.
    """
    return b"".join(
        delimited(_METADATA_PROPS, delimited(_ENTRY_KEY, key.encode()) + delimited(_ENTRY_VALUE, value.encode()))
        for key, value in metadata.items()
    )
