"""What an edgekit .onnx file says of itself, read and written on the protobuf wire.

An artifact is an ONNX file whose metadata holds one JSON document under the key `edgekit` (ArtifactInfo), and beside it
plain keys that other tools read: `names`, `imgsz`, `task`. No onnx package is needed and no session is built, so the
document is there before anything of a stranger's file is run; the rest of the file passes through byte by byte.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from edgekit.artifact.older_schemas import with_schema_2
from edgekit.artifact.protobuf import delimited, fields
from edgekit.errors import ArtifactError, SpecError, unknown
from edgekit.files import read_regular_file, write_atomically
from edgekit.preprocess.adaptive_crops import AdaptivePlan
from edgekit.preprocess.spec import Preprocess

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = 2
Precision: TypeAlias = Literal["float32", "float16", "int8"]

_KEY = "edgekit"
# Field numbers of onnx.proto: ModelProto.metadata_props, and key and value of StringStringEntryProto.
_METADATA_PROPS, _ENTRY_KEY, _ENTRY_VALUE = 14, 1, 2

DEFAULT_MAX_BYTES = 2**30  # of a model file; VGG-19, the largest of the zoo, has 0.57e9
# Of the metadata document: 100,000 labels fit. Deeper or longer ones are made to exhaust their reader.
_MAX_DOCUMENT_BYTES = 8 * 2**20
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactInfo:
    """All that is known of a model file. JSON round-trips; the same content gives the same bytes.

    model and arguments: the zoo's network and what it was built with, or the name of another. labels: one for each
    logit, in order. license: of the weights. weights_sha256: of the checkpoint that was exported, or of the stranger's
    file that was adopted. parent_sha256: of the model file that this one was made from (None for the first). parity:
    for each step, how far its answers were from its parent's. calibration: what int8 ranges were measured on. metrics:
    measured accuracy, with the data it was measured on. adaptive_crops: fitted for this model; None, and not in
    the document, if none were.
    """

    model: str
    labels: tuple[str, ...]
    preprocess: Preprocess
    license: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    precision: Precision = "float32"
    weights_sha256: str | None = None
    parent_sha256: str | None = None
    parity: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] | None = None
    adaptive_crops: AdaptivePlan | None = None

    def __post_init__(self) -> None:
        if not self.labels or not all(isinstance(label, str) and label for label in self.labels):
            raise ArtifactError(f"labels must be one or more names, not {self.labels!r:.200}")
        if self.precision not in get_args(Precision):
            raise ArtifactError(unknown("precision", str(self.precision), get_args(Precision)))

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; from_dict is its inverse."""
        return {
            "schema": SCHEMA,
            "model": self.model,
            "arguments": dict(self.arguments),
            "labels": list(self.labels),
            "preprocess": self.preprocess.to_dict(),
            "precision": self.precision,
            "license": self.license,
            "weights_sha256": self.weights_sha256,
            "parent_sha256": self.parent_sha256,
            "parity": dict(self.parity),
            "calibration": self.calibration,
            "metrics": self.metrics,
            **({} if self.adaptive_crops is None else {"adaptive_crops": self.adaptive_crops.to_dict()}),
        }

    @property
    def warning(self) -> str | None:
        """Why the model is worse than was asked for, where it was written in spite of that."""
        return self._evidence("worse")

    @property
    def target(self) -> str | None:
        """The processor that the integers are made for, as `edgekit quantize --target` names it; None without any."""
        return self._evidence("target")

    def _evidence(self, name: str) -> str | None:
        """What the quantizer wrote under this name, if it is a text."""
        evidence = self.parity.get("quantize")
        text = evidence.get(name) if isinstance(evidence, Mapping) else None
        return text if isinstance(text, str) else None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ArtifactInfo:
        """Raises ArtifactError for a schema that this version does not read, and for a missing or wrong entry."""
        values = with_schema_2(values)
        if values.get("schema") != SCHEMA:
            raise ArtifactError(
                f"metadata has schema {values.get('schema')!r:.100}, but this edgekit reads up to {SCHEMA}; "
                "install a newer edgekit"
            )
        for name, kinds in _KINDS.items():
            if name not in values:
                raise ArtifactError(f"the edgekit metadata has no {name!r}")
            if not isinstance(values[name], kinds):
                raise ArtifactError(f"the edgekit metadata is wrong: {name} is {values[name]!r:.100}")
        entries = {name: values[name] for name in _KINDS}
        preprocess = Preprocess.from_dict(dict(values["preprocess"]))
        crops = values.get("adaptive_crops")
        if crops is not None:
            if not isinstance(crops, dict):
                raise ArtifactError(f"the edgekit metadata is wrong: adaptive_crops is {crops!r:.100}")
            crops = AdaptivePlan.from_dict(crops)
        entries |= {"labels": tuple(values["labels"]), "preprocess": preprocess, "adaptive_crops": crops}
        return cls(**entries)


# What each entry of the document is in JSON.
_KINDS: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "arguments": (dict,),
    "labels": (list,),
    "preprocess": (dict,),
    "precision": (str,),
    "license": (str,),
    "weights_sha256": (str, NoneType),
    "parent_sha256": (str, NoneType),
    "parity": (dict,),
    "calibration": (dict, NoneType),
    "metrics": (dict, NoneType),
}


def read_info(path: str | os.PathLike[str]) -> ArtifactInfo:
    """The info of a model file. Raises ArtifactError, naming the file, for one that is not an artifact."""
    return parse_info(read_model(path), name=os.fspath(path))


def parse_info(model: bytes, *, name: str) -> ArtifactInfo:
    """As read_info, for the bytes of a file called `name` in messages."""
    try:
        if is_ort_format(model):
            raise ArtifactError("of onnxruntime's own format, which cannot be looked through; give the .onnx file")
        metadata = read_metadata(model)
    except ArtifactError as error:
        raise ArtifactError(f"{name}: {error}") from None
    return info_from_metadata(metadata, name=name)


def is_ort_format(model: bytes) -> bool:
    """Whether onnxruntime would take the bytes for its own format (.ort), whatever else they are."""
    return model[4:8] == b"ORTM"


def info_from_metadata(metadata: Mapping[str, str], *, name: str) -> ArtifactInfo:
    """The info among the metadata of a file called `name` in messages."""
    try:
        if _KEY not in metadata:
            raise ArtifactError("an ONNX file without edgekit's metadata; `edgekit adopt` puts it in")
        return ArtifactInfo.from_dict(_json_object(metadata[_KEY]))
    except (ArtifactError, SpecError) as error:
        raise ArtifactError(f"{name}: {error}") from None


def write_info(model: bytes, info: ArtifactInfo, path: str | os.PathLike[str]) -> None:
    """Write the model with `info` as its only metadata to a new path: same model, same info, same bytes."""
    from pathlib import Path  # here, because whoever only predicts writes nothing

    write_atomically(Path(path), with_info(model, info))


def with_info(model: bytes, info: ArtifactInfo) -> bytes:
    """The model with `info` as its only metadata."""
    names = "{" + ", ".join(f"{index}: {label!r}" for index, label in enumerate(info.labels)) + "}"
    metadata = {
        _KEY: json.dumps(info.to_dict(), sort_keys=True, ensure_ascii=False, allow_nan=False),
        "names": names,
        "imgsz": str(list(info.preprocess.crop)),
        "task": "classify",
    }
    return with_metadata(model, metadata)


def sidecar_path(path: str | os.PathLike[str]) -> Path:
    """Where timings and dates of a model file go: they differ from run to run, so they stay out of the file itself."""
    from pathlib import Path  # as above

    return Path(path).with_suffix(".json")


def write_sidecar(path: str | os.PathLike[str], document: Mapping[str, Any]) -> None:
    """Write what was measured beside the model file."""
    text = json.dumps({"schema": SCHEMA, **document}, indent=2, sort_keys=True, allow_nan=False)
    write_atomically(sidecar_path(path), f"{text}\n".encode())


def read_sidecar(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What was measured of the model file; empty where there is no sidecar. Raises ArtifactError for a broken one."""
    sidecar = sidecar_path(path)
    try:
        return with_schema_2(_json_object(sidecar.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, ArtifactError) as error:
        raise ArtifactError(f"{sidecar}: {error}") from None


def read_model(path: str | os.PathLike[str], *, max_bytes: int = DEFAULT_MAX_BYTES) -> bytes:
    """The bytes of a model file. Raises ArtifactError naming it."""
    return read_regular_file(path, max_bytes=max_bytes, error=ArtifactError)


def read_metadata(model: bytes) -> dict[str, str]:
    """The metadata of an ONNX file. Raises ArtifactError for broken bytes, and for a key that stands twice.

    onnxruntime would take the last of two values and other tools the first, so neither can be trusted.
    """
    metadata: dict[str, str] = {}
    message = memoryview(model)
    for field_ in fields(message):
        if field_.number == _METADATA_PROPS:
            key, value = _entry(message[field_.payload : field_.end])
            if key in metadata:
                raise ArtifactError(f"the metadata key {key!r:.100} stands twice")
            metadata[key] = value
    return metadata


def _entry(message: memoryview) -> tuple[str, str]:
    texts = {_ENTRY_KEY: "", _ENTRY_VALUE: ""}
    for part in fields(message):
        if part.number in texts:
            try:
                texts[part.number] = str(message[part.payload : part.end], "utf-8")
            except UnicodeDecodeError:
                raise ArtifactError("the metadata is not UTF-8") from None
    return texts[_ENTRY_KEY], texts[_ENTRY_VALUE]


def with_metadata(model: bytes, metadata: Mapping[str, str]) -> bytes:
    """The model with its metadata replaced, everything else untouched."""
    message = memoryview(model)
    others = [message[part.start : part.end] for part in fields(message) if part.number != _METADATA_PROPS]
    entries = [
        delimited(_METADATA_PROPS, delimited(_ENTRY_KEY, key.encode()) + delimited(_ENTRY_VALUE, value.encode()))
        for key, value in metadata.items()
    ]
    return b"".join((*others, *entries))


def _json_object(text: str) -> dict[str, Any]:
    if len(text) > _MAX_DOCUMENT_BYTES:
        raise ArtifactError(f"the edgekit metadata is longer than {_MAX_DOCUMENT_BYTES} characters")
    try:
        document = json.loads(text, parse_constant=_refused_constant)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"the edgekit metadata is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ArtifactError("the edgekit metadata is not a JSON object")
    _check_values(document, _MAX_DEPTH)
    return document


def _refused_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _check_values(value: Any, depth: int) -> None:
    """What JSON can hold and files cannot: values nested without end, halves of surrogate pairs, infinite numbers."""
    if depth == 0:
        raise ArtifactError(f"the edgekit metadata is nested more than {_MAX_DEPTH} deep")
    if isinstance(value, dict):
        for name, entry in value.items():
            _check_values(name, depth)
            _check_values(entry, depth - 1)
    elif isinstance(value, list):
        for entry in value:
            _check_values(entry, depth - 1)
    elif isinstance(value, str) and not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise ArtifactError("the edgekit metadata is wrong: it holds half of a surrogate pair")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ArtifactError("the edgekit metadata is wrong: it holds an infinite number")
