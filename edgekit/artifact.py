"""What an edgekit .onnx file says of itself, read and written on the protobuf wire.

An artifact is an ONNX file whose metadata holds one JSON document under the key `edgekit` (ArtifactInfo), and beside it
plain keys that other tools read: `names`, `imgsz`, `task`. No onnx package is needed and no session is built, so the
document is there before anything of a stranger's file is run; the rest of the file passes through byte by byte.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from edgekit.errors import ArtifactError, SpecError
from edgekit.files import write_atomically
from edgekit.preprocess import Preprocess

SCHEMA = 1
Precision: TypeAlias = Literal["float32", "float16", "int8"]

_KEY = "edgekit"
# Field numbers of onnx.proto: ModelProto.metadata_props, and key and value of StringStringEntryProto.
_METADATA_PROPS, _ENTRY_KEY, _ENTRY_VALUE = 14, 1, 2
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactInfo:
    """All that is known of a model file. JSON round-trips; the same content gives the same bytes.

    model and arguments: the zoo's network and what it was built with. labels: one for each logit, in order. licence: of
    the weights. weights_sha256: of the checkpoint that was exported. parent_sha256: of the model file that this one was
    made from (None for the first). parity: for each step, how far its answers were from its parent's. calibration: what
    int8 ranges were measured on. metrics: measured accuracy, with the data it was measured on.
    """

    model: str
    labels: tuple[str, ...]
    preprocess: Preprocess
    licence: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    precision: Precision = "float32"
    weights_sha256: str | None = None
    parent_sha256: str | None = None
    parity: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.labels or not all(isinstance(label, str) and label for label in self.labels):
            raise ArtifactError(f"labels must be one or more names, not {self.labels!r:.200}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; from_dict is its inverse."""
        return {
            "schema": SCHEMA,
            "model": self.model,
            "arguments": dict(self.arguments),
            "labels": list(self.labels),
            "preprocess": self.preprocess.to_dict(),
            "precision": self.precision,
            "licence": self.licence,
            "weights_sha256": self.weights_sha256,
            "parent_sha256": self.parent_sha256,
            "parity": dict(self.parity),
            "calibration": self.calibration,
            "metrics": self.metrics,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ArtifactInfo:
        """Raises ArtifactError for a schema that this version does not read, and for a missing or wrong entry."""
        schema = values.get("schema")
        if schema != SCHEMA:
            raise ArtifactError(f"schema {schema!r}; this edgekit reads schema {SCHEMA}; install a newer edgekit")
        try:
            return cls(
                model=str(values["model"]),
                arguments=dict(values["arguments"]),
                labels=tuple(values["labels"]),
                preprocess=Preprocess.from_dict(values["preprocess"]),
                precision=values["precision"],
                licence=str(values["licence"]),
                weights_sha256=values["weights_sha256"],
                parent_sha256=values["parent_sha256"],
                parity=dict(values["parity"]),
                calibration=values["calibration"],
                metrics=values["metrics"],
            )
        except KeyError as error:
            raise ArtifactError(f"the edgekit metadata has no {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise ArtifactError(f"the edgekit metadata is wrong: {error}") from None


def read_info(path: str | os.PathLike[str]) -> ArtifactInfo:
    """The info of a model file. Raises ArtifactError, naming the file, for one that is not an artifact."""
    return parse_info(read_model(path), name=os.fspath(path))


def parse_info(model: bytes, *, name: str) -> ArtifactInfo:
    """As read_info, for the bytes of a file called `name` in messages."""
    try:
        metadata = read_metadata(model)
        if _KEY not in metadata:
            raise ArtifactError("an ONNX file without edgekit's metadata; `edgekit export` makes one that has it")
        return ArtifactInfo.from_dict(_json_object(metadata[_KEY]))
    except (ArtifactError, SpecError) as error:
        raise ArtifactError(f"{name}: {error}") from None


def write_info(model: bytes, info: ArtifactInfo, path: str | os.PathLike[str]) -> None:
    """Write the model with `info` as its only metadata to a new path: same model, same info, same bytes."""
    names = "{" + ", ".join(f"{index}: {label!r}" for index, label in enumerate(info.labels)) + "}"
    metadata = {
        _KEY: json.dumps(info.to_dict(), sort_keys=True, ensure_ascii=False, allow_nan=False),
        "names": names,
        "imgsz": str(list(info.preprocess.crop)),
        "task": "classify",
    }
    write_atomically(Path(path), with_metadata(model, metadata))


def read_model(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a model file. Raises ArtifactError naming it."""
    name = os.fspath(path)
    if not Path(name).is_file():
        raise ArtifactError(f"{name}: no such model file")
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ArtifactError(f"{name}: cannot be read: {error.strerror}") from None


def read_metadata(model: bytes) -> dict[str, str]:
    """The metadata of an ONNX file. Raises ArtifactError for broken bytes, and for a key that stands twice.

    onnxruntime would take the last of two values and other tools the first, so neither can be trusted.
    """
    metadata: dict[str, str] = {}
    for number, _, payload in _fields(memoryview(model)):
        if number == _METADATA_PROPS:
            entry = {entry_number: bytes(value) for entry_number, _, value in _fields(payload)}
            try:
                key, value = (entry.get(n, b"").decode() for n in (_ENTRY_KEY, _ENTRY_VALUE))
            except UnicodeDecodeError:
                raise ArtifactError("the metadata is not UTF-8") from None
            if key in metadata:
                raise ArtifactError(f"the metadata key {key!r} stands twice")
            metadata[key] = value
    return metadata


def with_metadata(model: bytes, metadata: Mapping[str, str]) -> bytes:
    """The model with its metadata replaced, everything else untouched."""
    kept = [bytes(raw) for number, raw, _ in _fields(memoryview(model)) if number != _METADATA_PROPS]
    entries = [
        _delimited(_METADATA_PROPS, _delimited(_ENTRY_KEY, key.encode()) + _delimited(_ENTRY_VALUE, value.encode()))
        for key, value in metadata.items()
    ]
    return b"".join(kept + entries)


def _json_object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"the edgekit metadata is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ArtifactError("the edgekit metadata is not a JSON object")
    return document


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Each field of a protobuf message: its number, its whole bytes, its payload (empty for a varint)."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        number, wire_type = tag >> 3, tag & 7
        payload_start = at
        if wire_type == _VARINT:
            payload_start = at = _varint(message, at)[1]
        elif wire_type == _LENGTH_DELIMITED:
            length, payload_start = _varint(message, at)
            at = payload_start + length
        elif wire_type in (_FIXED32, _FIXED64):
            at += 4 if wire_type == _FIXED32 else 8
        else:
            raise ArtifactError("not an ONNX file: no protobuf message")
        if at > len(message) or number == 0:
            raise ArtifactError("not an ONNX file, or one that is cut short")
        yield number, message[start:at], message[payload_start:at]


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The value at `at`, and where the next byte lies."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(message):
            raise ArtifactError("not an ONNX file, or one that is cut short")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ArtifactError("not an ONNX file: no protobuf message")


def _delimited(number: int, payload: bytes) -> bytes:
    return _encoded(number << 3 | _LENGTH_DELIMITED) + _encoded(len(payload)) + payload


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes((value,))
