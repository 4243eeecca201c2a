"""The metadata of an edgekit .onnx file, read and written on the protobuf level.

An edgekit model is an ONNX file whose metadata contains one JSON document under the key `edgekit` (ArtifactInfo), and
plain keys that other tools read: `names`, `imgsz` and `task`. Neither the onnx package nor a session is needed, so the
document is available before any part of an untrusted file is run. The rest of the file is passed through byte for byte.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, Literal, TypeAlias, get_args

from edgekit.artifact.json_document import parse_json_object
from edgekit.artifact.metadata import is_ort_format, metadata_fields, read_metadata, without_metadata
from edgekit.artifact.older_schemas import with_schema_2
from edgekit.errors import ArtifactError, SpecError, check_types, is_unicode, must_be, quote, unknown
from edgekit.files import read_regular_file, write_atomically
from edgekit.preprocess.adaptive_crops import AdaptivePlan
from edgekit.preprocess.scores import Task
from edgekit.preprocess.scoring import SINGLE_LABEL, Scoring
from edgekit.preprocess.spec import Preprocess

SCHEMA = 2
Precision: TypeAlias = Literal["float32", "float16", "int8"]

_KEY = "edgekit"
DEFAULT_MAX_BYTES = 2**30  # of a model file; VGG-19, the largest network of the zoo, has 0.57e9


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactInfo:
    """Everything that a model file states about itself.

    It round-trips through JSON, and the same content gives the same bytes.

    Attributes:
        model: name of the network in the zoo, or of a third-party model.
        labels: class names, one per logit, in order.
        preprocess: how images become the pixels that the model takes.
        license: of the weights, e.g. "Apache-2.0".
        arguments: what the zoo's network was built with.
        precision: "float32", "float16" or "int8".
        weights_sha256: of the exported checkpoint, or of the adopted third-party file; hexadecimal.
        parent_sha256: of the model file that this one was made from; None for the first.
        parity: for each step, how far its outputs differ from those of its parent.
        calibration: the data that the int8 ranges were measured on; None if not quantized.
        metrics: measured accuracy, and the data it was measured on; None if not measured.
        adaptive_crops: fitted for this model; None if not fitted.
        temperature: divisor of the logits, above 0, that calibrates probabilities, not labels; None if not fitted.
        temperature_fit: number of images that the temperature was fitted to, and its interval.
        task: "single-label" or "multi-label", as in `Scoring`.
        thresholds: for multi-label, the probability of each class that an image with it exceeds; None for 0.5 each.
        thresholds_fit: number of images that the thresholds were fitted to, and what they maximize.
        epoch_choice: the epoch, of how many, and the figure on the val images that chose it; None if none did.

    From adaptive_crops on, what has its default is absent from the document.

    Example:
        >>> from edgekit import Classifier
        >>> info = Classifier("model.onnx").info
        >>> info.labels, info.precision
        (('bolt', 'nut', 'washer'), 'float32')
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
    temperature: float | None = None
    temperature_fit: Mapping[str, Any] | None = None
    task: Task = "single-label"
    thresholds: tuple[float, ...] | None = None
    thresholds_fit: Mapping[str, Any] | None = None
    epoch_choice: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_types(str, model=self.model, license=self.license)
        check_types(Preprocess, preprocess=self.preprocess)
        check_types(tuple, labels=self.labels)
        if not self.labels or not all(isinstance(label, str) and label and is_unicode(label) for label in self.labels):
            raise ArtifactError(f"`labels` must be one or more non-empty names in UTF-8 (got {quote(self.labels)})")
        if self.precision not in get_args(Precision):
            raise ArtifactError(unknown("precision", str(self.precision), get_args(Precision)))
        if self.temperature is not None and not _is_temperature(self.temperature):
            raise ArtifactError(must_be("temperature", "a finite number above 0", self.temperature))
        thresholds = self.scoring.thresholds
        if thresholds is not None and len(thresholds) != len(self.labels):
            raise ArtifactError(f"`thresholds` has {len(thresholds)} values for {len(self.labels)} labels")
        if self.task == "multi-label" and (self.adaptive_crops or self.temperature):
            name = "adaptive_crops" if self.adaptive_crops else "temperature"
            raise ArtifactError(f"`{name}` needs the task 'single-label' (got 'multi-label'); leave it out")

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON-ready values; `from_dict` is the inverse."""
        document = {
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
        }
        optional = {
            "adaptive_crops": None if self.adaptive_crops is None else self.adaptive_crops.to_dict(),
            "temperature": self.temperature,
            "temperature_fit": None if self.temperature_fit is None else dict(self.temperature_fit),
            "task": None if self.task == "single-label" else self.task,
            "thresholds": None if self.thresholds is None else list(self.thresholds),
            "thresholds_fit": None if self.thresholds_fit is None else dict(self.thresholds_fit),
            "epoch_choice": None if self.epoch_choice is None else dict(self.epoch_choice),
        }
        return document | {name: value for name, value in optional.items() if value is not None}

    @property
    def scoring(self) -> Scoring:
        """How the model's logits become probabilities, and these labels."""
        is_default = self.task == "single-label" and self.thresholds is None
        return SINGLE_LABEL if is_default else Scoring(task=self.task, thresholds=self.thresholds)

    @property
    def warning(self) -> str | None:
        """Why the model misses the required accuracy, if it was written anyway; else None."""
        return self._quantize_entry("worse")

    @property
    def target(self) -> str | None:
        """The processor that the model was quantized for, as in `edgekit quantize --target`; None if not quantized."""
        return self._quantize_entry("target")

    def _quantize_entry(self, name: str) -> str | None:
        """Return what the quantizer recorded under this name, if it is a string."""
        evidence = self.parity.get("quantize")
        text = evidence.get(name) if isinstance(evidence, Mapping) else None
        return text if isinstance(text, str) else None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ArtifactInfo:
        """Convert from JSON values; the inverse of `to_dict`. Documents of schema 1 are converted too.

        Args:
            values: the document.

        Raises:
            ArtifactError: the schema is newer than this version of edgekit, or an entry is missing or invalid.
            SpecError: `preprocess`, `task` or `thresholds` is invalid.
        """
        values = with_schema_2(values)
        if values.get("schema") != SCHEMA:
            raise ArtifactError(
                f"the edgekit metadata has schema {quote(values.get('schema'))}, but this version reads schemas up to "
                f"{SCHEMA}; install a newer edgekit"
            )
        for name in _JSON_TYPES:
            if name not in values:
                raise ArtifactError(f"the edgekit metadata has no entry {name!r}")
        entries: dict[str, Any] = {name: values.get(name) for name in (*_JSON_TYPES, *_OPTIONAL_JSON_TYPES)}
        for name, types in (_JSON_TYPES | _OPTIONAL_JSON_TYPES).items():
            if not isinstance(entries[name], types):
                raise ArtifactError(f"invalid edgekit metadata: {name} is {quote(entries[name])}")
        entries |= {"labels": tuple(values["labels"]), "preprocess": Preprocess.from_dict(dict(values["preprocess"]))}
        if entries["adaptive_crops"] is not None:
            entries["adaptive_crops"] = AdaptivePlan.from_dict(values["adaptive_crops"])
        if entries["task"] is None:
            del entries["task"]
        if entries["thresholds"] is not None:
            entries["thresholds"] = tuple(values["thresholds"])
        return cls(**entries)


def _is_temperature(value: object) -> bool:
    # Compared with the largest float, because JSON integers have no limit.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= sys.float_info.max


# Python types of the document's entries.
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("model", "precision", "license"), (str,)),
    **dict.fromkeys(("arguments", "preprocess", "parity"), (dict,)),
    **dict.fromkeys(("weights_sha256", "parent_sha256"), (str, NoneType)),
    **dict.fromkeys(("calibration", "metrics"), (dict, NoneType)),
    "labels": (list,),
}
_OPTIONAL_JSON_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("adaptive_crops", "temperature_fit", "thresholds_fit", "epoch_choice"), (dict, NoneType)),
    "temperature": (int, float, NoneType),
    "task": (str, NoneType),
    "thresholds": (list, NoneType),
}


def read_info(path: str | os.PathLike[str]) -> ArtifactInfo:
    """Read the info of a model file.

    Args:
        path: of the file.

    Raises:
        ArtifactError: the file is not an edgekit model.
    """
    return parse_info(read_model(path), name=os.fspath(path))


def parse_info(model: bytes, *, name: str) -> ArtifactInfo:
    """Read the info from the bytes of a model file.

    Args:
        model: content of the file.
        name: what messages call it.

    Raises:
        ArtifactError: not an edgekit model.
    """
    try:
        if is_ort_format(model):
            raise ArtifactError("is in ONNX Runtime's own format, which cannot be inspected; pass the .onnx file")
        metadata = read_metadata(model)
    except ArtifactError as error:
        raise ArtifactError(f"{name}: {error}") from None
    return info_from_metadata(metadata, name=name)


def info_from_metadata(metadata: Mapping[str, str], *, name: str) -> ArtifactInfo:
    """Read the info from the metadata of a model file.

    Args:
        metadata: values by key, as from `read_metadata`.
        name: what messages call the file.

    Raises:
        ArtifactError: there is no valid info in it.
    """
    try:
        if _KEY not in metadata:
            raise ArtifactError("an ONNX file without edgekit metadata; run `edgekit adopt` to add it")
        return ArtifactInfo.from_dict(parse_json_object(metadata[_KEY], what="the edgekit metadata"))
    except (ArtifactError, SpecError) as error:
        raise ArtifactError(f"{name}: {error}") from None


def write_info(model: bytes | list[bytes | memoryview], info: ArtifactInfo, path: str | os.PathLike[str]) -> None:
    """Write a model file with `info` as its only metadata. Same model, same info, same bytes.

    Args:
        model: content of an ONNX file; or that in parts, without metadata, so that nothing large is copied.
        info: what the file is to state about itself.
        path: of the file to write.

    Raises:
        EdgekitError: the file cannot be written.
    """
    from pathlib import Path  # here, because predicting does not need it

    write_atomically(Path(path), _parts(model, info))


def with_info(model: bytes, info: ArtifactInfo) -> bytes:
    """Return what `write_info` writes."""
    return b"".join(_parts(model, info))


def _parts(model: bytes | list[bytes | memoryview], info: ArtifactInfo) -> list[bytes | memoryview]:
    metadata = {
        _KEY: json.dumps(info.to_dict(), sort_keys=True, ensure_ascii=False, allow_nan=False),
        "names": "{" + ", ".join(f"{index}: {label!r}" for index, label in enumerate(info.labels)) + "}",
        "imgsz": str(list(info.preprocess.crop)),
        "task": "classify" if info.task == "single-label" else info.task,
    }
    return [*(model if isinstance(model, list) else without_metadata(model)), metadata_fields(metadata)]


def read_model(path: str | os.PathLike[str], *, max_bytes: int = DEFAULT_MAX_BYTES) -> bytes:
    """Read a model file into memory.

    Args:
        path: of the file.
        max_bytes: largest accepted file size in bytes.

    Raises:
        ArtifactError: the file cannot be read, or is larger than `max_bytes`.
    """
    return read_regular_file(path, max_bytes=max_bytes, error=ArtifactError)
