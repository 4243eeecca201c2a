"""NAME.json: what a model file states about itself, for programs that cannot read its metadata.

onnxruntime for JavaScript, among others, does not show the metadata of a model, so labels and preprocessing have to lie
beside it. A port reads this document, and nothing else:

    schema         1
    name           NAME
    model          name of the network
    file           the model file, NAME.onnx
    sha256, bytes  of the model file
    ort            file and sha256 of the same model in onnxruntime's own format; null if there is none
    task           "single-label" or "multi-label"
    labels         class names, in the order of the logits
    temperature    divisor of the logits before the softmax; null if the model has none
    thresholds     of a multi-label model: probability of each class above which an image has the label; otherwise null
    license        of the weights
    target         processor that the model was quantized for; null if it was not quantized
    precision      "float32", "float16" or "int8"
    scheme         how the model was quantized; null if it was not
    accuracy       as measured, such as {"images": 10000, "top1": 0.9046, "top5": 0.9973}; null if it was not
    input          name, type, shape (batch, height, width, channels), where null is a batch of any size
    output         name
    scoring        output ("logits") and probabilities ("softmax" or "sigmoid": what makes them of the output)
    preprocess     every field of Preprocess, also those that have their defaults
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.info import ArtifactInfo
from edgekit.files import sha256
from edgekit.preprocess.scoring import DEFAULT_THRESHOLD
from edgekit.preprocess.spec import Preprocess
from edgekit.runtime.loaded_model import LOGITS

SCHEMA = 1
INPUT = "pixels"


def describe_model(
    model: bytes, info: ArtifactInfo, *, name: str, file: str, ort: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Describe a model in JSON-ready values; the docstring of this module lists them.

    Args:
        model: content of the model file.
        info: its metadata.
        name: what the model is called.
        file: name of the model file.
        ort: file and sha256 of the same model in onnxruntime's own format.

    Raises:
        ArtifactError: the model is refused.
    """
    evidence = info.parity.get("quantize")
    return {
        "schema": SCHEMA,
        "name": name,
        "model": info.model,
        "file": file,
        "sha256": sha256(model),
        "bytes": len(model),
        "ort": None if ort is None else dict(ort),
        "task": info.task,
        "labels": list(info.labels),
        "temperature": info.temperature,
        "thresholds": thresholds(info),
        "license": info.license,
        "target": info.target,
        "precision": info.precision,
        "scheme": evidence.get("recipe") if isinstance(evidence, Mapping) else None,
        "accuracy": None if info.metrics is None else dict(info.metrics),
        "input": {"name": INPUT, "type": "uint8", "shape": [batch_size(model, name=file), *_image_shape(info)]},
        "output": {"name": LOGITS, "type": "float32"},
        "scoring": {"output": LOGITS, "probabilities": "softmax" if info.task == "single-label" else "sigmoid"},
        "preprocess": every_field(info.preprocess),
    }


def thresholds(info: ArtifactInfo) -> list[float] | None:
    """The thresholds of a multi-label model, defaults written out; None for any other."""
    if info.task == "single-label":
        return None
    return list(info.thresholds or (DEFAULT_THRESHOLD,) * len(info.labels))


def every_field(preprocess: Preprocess) -> dict[str, Any]:
    """All fields of a preprocessing as JSON-ready values, unlike `to_dict`, which leaves defaults out."""
    values = {field.name: getattr(preprocess, field.name) for field in fields(preprocess)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def batch_size(model: bytes, *, name: str) -> int | None:
    """The batch size that a model fixes; None if it accepts any.

    Raises:
        ArtifactError: the model is refused.
    """
    batch = check_model(model, name=name).inputs[INPUT][0]
    return batch if batch > 0 else None


def _image_shape(info: ArtifactInfo) -> tuple[int, int, int]:
    return (*info.preprocess.crop, info.preprocess.channels)
