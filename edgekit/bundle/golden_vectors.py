"""Golden vectors: inputs with the outputs that a port of the predictor to another language must reproduce.

NAME.golden.bin contains the pixels of all vectors, one after the other, in the layout of the model's input: uint8,
row-major, (height, width, channels) each. NAME.golden.json describes them and the expected outputs:

    schema       3
    model        file (its name), sha256
    input        name, type, shape (vectors, height, width, channels), color (RGB or L), file (the .bin), sha256 (of it)
    output       name, type, shape (vectors, classes)
    labels       class names, in the order of the logits
    temperature  divisor of the logits before the softmax; null if the model has none
    vectors      one entry each: image (its name), offset (of its pixels in the .bin, in bytes), logits (each the
                 shortest decimal that is this float32), index and label (of the largest logit), probability (of that
                 class: softmax(logits / temperature), or softmax(logits) without a temperature)

Those of a multi-label model have in addition:

    task         "multi-label"
    thresholds   probability of each class above which an image has the label
    vectors      in the place of index, label and probability: probabilities (the sigmoid of each logit), and indexes
                 (of those above their thresholds, ascending)
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact.info import ArtifactInfo, read_model
from edgekit.dataset import ImageSet
from edgekit.export.parity_inputs import center_crops, sample_sources
from edgekit.files import sha256, write_atomically
from edgekit.image.source import Pixels
from edgekit.preprocess.scores import Floats, with_temperature
from edgekit.preprocess.scoring import DEFAULT_THRESHOLD
from edgekit.runtime.classifier import Classifier

SCHEMA = 3


def write_golden(model: str | os.PathLike[str], *, count: int, images: ImageSet | None = None) -> tuple[Path, Path]:
    """Write NAME.golden.json and NAME.golden.bin beside the model NAME.onnx.

    Args:
        model: edgekit model.
        count: number of vectors; fewer are written if there are fewer images.
        images: images to use (default: synthetic images).

    Returns:
        The paths of the .json and the .bin file.

    Raises:
        ArtifactError: `model` is not an edgekit model.
        ImageError: an image cannot be read.

    Example:
        >>> from edgekit.bundle.golden_vectors import write_golden
        >>> document, pixels = write_golden("model.onnx", count=8)  # doctest: +SKIP
        >>> document.name  # doctest: +SKIP
        'model.golden.json'
    """
    path = Path(model)
    classifier = Classifier(path)
    sources, names = sample_sources(images, count)
    pixels = center_crops(sources, classifier.info.preprocess)
    logits = np.concatenate([classifier.logits(image[None]) for image in pixels])
    json_path, pixels_path = path.with_suffix(".golden.json"), path.with_suffix(".golden.bin")
    document = {
        "schema": SCHEMA,
        "model": {"file": path.name, "sha256": sha256(read_model(path))},
        "input": _input_dict(pixels, classifier.info, pixels_path.name),
        "output": {"name": "logits", "type": "float32", "shape": list(logits.shape)},
        "labels": list(classifier.info.labels),
        "temperature": classifier.info.temperature,
        **_task_dict(classifier.info),
        "vectors": _vector_dicts(names, logits, pixels[0].nbytes, classifier.info),
    }
    write_atomically(pixels_path, pixels.tobytes())
    write_atomically(json_path, f"{json.dumps(document, indent=1, allow_nan=False)}\n".encode())
    return json_path, pixels_path


def _input_dict(pixels: Pixels, info: ArtifactInfo, file_name: str) -> dict[str, Any]:
    return {
        "name": "pixels",
        "type": "uint8",
        "shape": list(pixels.shape),
        "color": info.preprocess.color,
        "file": file_name,
        "sha256": sha256(pixels.tobytes()),
    }


def _task_dict(info: ArtifactInfo) -> dict[str, Any]:
    if info.task == "single-label":
        return {}
    return {"task": info.task, "thresholds": list(info.thresholds or (DEFAULT_THRESHOLD,) * len(info.labels))}


def _vector_dicts(names: tuple[str, ...], logits: Floats, size_bytes: int, info: ArtifactInfo) -> list[dict[str, Any]]:
    probabilities = info.scoring.probabilities(logits)
    if info.temperature is not None:
        probabilities = with_temperature(probabilities, info.temperature)
    return [
        {
            "image": name,
            "offset": number * size_bytes,
            "logits": [float(str(value)) for value in row],
            **_prediction_dict(row, probabilities[number], info),
        }
        for number, (name, row) in enumerate(zip(names, logits, strict=True))
    ]


def _prediction_dict(logits: Floats, probabilities: Floats, info: ArtifactInfo) -> dict[str, Any]:
    if info.task == "multi-label":
        indexes = np.flatnonzero(info.scoring.assigned(probabilities)).tolist()
        return {"probabilities": probabilities.tolist(), "indexes": indexes}
    index = int(logits.argmax())
    return {"index": index, "label": info.labels[index], "probability": float(probabilities[index])}
