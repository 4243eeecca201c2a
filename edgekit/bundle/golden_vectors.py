"""Golden vectors: images with everything that a port of the predictor must compute of them, from JPEG to label.

NAME.golden.json describes them. Beside it lie the JPEGs, golden/NAME-0.jpg and so on, and NAME.golden.bin, the pixels
cut out of them, one image after the other, in the layout of the model's input: uint8, row-major, (height, width,
channels) each.

    schema       4
    model        file (its name), sha256
    ort          file, sha256 of the same model in onnxruntime's own format; null if there is none
    target       processor that the model was quantized for; null if it was not quantized
    precision    "float32", "float16" or "int8"
    input        name, type, shape (vectors, height, width, channels), color (RGB or L), file (the .bin), sha256 (of it)
    output       name, type, shape (vectors, classes)
    labels       class names, in the order of the logits
    temperature  divisor of the logits before the softmax; null if the model has none
    task         "single-label" or "multi-label"
    thresholds   of a multi-label model: probability of each class above which an image has the label; otherwise null
    preprocess   every field of Preprocess
    tolerance    how far a logit may be from the one here: same_kernels, other (`golden_tolerance` has their meaning)
    vectors      one entry each:
        image          what it shows, or its name in the data
        jpeg           file, sha256, bytes
        decoded        width, height and sha256 of the upright pixels: uint8, row-major, RGB or L as the model takes
        offset         of its pixels in the .bin, in bytes
        pixels_sha256  of these
        logits         each the shortest decimal that is this float32
        top            the up to 5 most probable classes, most probable first: index, label, probability
        index, label, probability
                       of a single-label model: those of the first in `top`
        probabilities, indexes
                       of a multi-label model: all probabilities, and the classes above their thresholds, ascending

A probability is softmax(logits / temperature), or softmax(logits) without a temperature; of a multi-label model, the
sigmoid of each logit. Schema 3 is the same without jpeg, decoded, pixels_sha256, top, ort, target, precision,
preprocess and tolerance, and its pixels are cut out of the image that `image` names. A reader of schema 3 that ignores
keys it does not know can read schema 4 as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact.info import ArtifactInfo, read_model
from edgekit.artifact.sidecar import require_own_document, sidecar_path
from edgekit.bundle.description import INPUT, describe_model, every_field, thresholds
from edgekit.bundle.golden_images import GoldenImage, golden_images
from edgekit.bundle.golden_tolerance import golden_tolerance
from edgekit.dataset import ImageSet
from edgekit.files import sha256, write_atomically
from edgekit.image.load import load_image
from edgekit.image.source import Pixels
from edgekit.preprocess.scores import Floats, best, with_temperature
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.loaded_model import LOGITS

SCHEMA = 4
FOLDER = "golden"
_TOP = 5


def write_golden(
    model: str | os.PathLike[str],
    *,
    count: int,
    images: ImageSet | None = None,
    ort: str | os.PathLike[str] | None = None,
) -> tuple[Path, ...]:
    """Write golden vectors and NAME.json, the description of the model, beside the model NAME.onnx.

    Args:
        model: edgekit model.
        count: number of vectors; fewer are written if there are fewer images.
        images: images to use (default: synthetic images).
        ort: the same model in onnxruntime's own format, whose checksum is recorded.

    Returns:
        The paths of NAME.json, NAME.golden.json, NAME.golden.bin and the JPEGs.

    Raises:
        ArtifactError: `model` is not an edgekit model.
        ImageError: an image cannot be read.
        SpecError: NAME.json exists, and edgekit did not write it.

    Example:
        >>> from edgekit.bundle.golden_vectors import write_golden
        >>> description, golden, pixels, *jpegs = write_golden("model.onnx", count=8)  # doctest: +SKIP
        >>> golden.name  # doctest: +SKIP
        'model.golden.json'
    """
    path, content = Path(model), read_model(model)
    require_own_document(sidecar_path(path))
    converted = None if ort is None else {"file": Path(ort).name, "sha256": sha256(read_model(ort))}
    with Classifier(path) as classifier:
        files = golden_files(content, classifier, name=path.stem, images=images, count=count, ort=converted)
        description = describe_model(content, classifier.info, name=path.stem, file=path.name, ort=converted)
    files = {f"{path.stem}.json": json_bytes(description), **files}
    paths = {path.parent / name: data for name, data in files.items()}
    for target, data in paths.items():
        write_atomically(target, data)
    return tuple(paths)


def golden_files(
    model: bytes,
    classifier: Classifier,
    *,
    name: str,
    images: ImageSet | None,
    count: int,
    ort: Mapping[str, str] | None = None,
) -> dict[str, bytes]:
    """Make golden vectors.

    Args:
        model: content of the model file.
        classifier: over that file.
        name: of the model.
        images: images to use; None for synthetic ones.
        count: number of vectors; fewer are made if there are fewer images.
        ort: file and sha256 of the same model in onnxruntime's own format.

    Returns:
        The content of each file by its path: NAME.golden.json, NAME.golden.bin, then the JPEGs.

    Raises:
        ImageError: an image cannot be read.
    """
    info = classifier.info
    jpegs = golden_images(images, count=count, crop=info.preprocess.crop)
    decoded = [load_image(image.jpeg, color=info.preprocess.color) for image in jpegs]
    pixels = np.concatenate([info.preprocess.pixels(image) for image in decoded])
    logits = np.concatenate([classifier.logits(image[None]) for image in pixels])
    paths = [f"{FOLDER}/{name}-{number}.jpg" for number in range(len(jpegs))]
    vectors = [
        {
            **_image_dict(jpeg, path, np.asarray(image.pixels)),
            "offset": number * pixels[0].nbytes,
            "pixels_sha256": sha256(pixels[number].tobytes()),
            **_output_dict(logits[number], info),
        }
        for number, (jpeg, path, image) in enumerate(zip(jpegs, paths, decoded, strict=True))
    ]
    document = {
        "schema": SCHEMA,
        "model": {"file": f"{name}.onnx", "sha256": sha256(model)},
        "ort": None if ort is None else dict(ort),
        "target": info.target,
        "precision": info.precision,
        "input": _input_dict(pixels, info, f"{name}.golden.bin"),
        "output": {"name": LOGITS, "type": "float32", "shape": list(logits.shape)},
        "labels": list(info.labels),
        "temperature": info.temperature,
        "task": info.task,
        "thresholds": thresholds(info),
        "preprocess": every_field(info.preprocess),
        "tolerance": golden_tolerance(model, info, pixels=pixels, logits=logits),
        "vectors": vectors,
    }
    files = {f"{name}.golden.json": json_bytes(document), f"{name}.golden.bin": pixels.tobytes()}
    return files | {path: jpeg.jpeg for path, jpeg in zip(paths, jpegs, strict=True)}


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """A JSON document as bundles contain it: UTF-8, one entry a line."""
    return f"{json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)}\n".encode()


def _input_dict(pixels: Pixels, info: ArtifactInfo, file: str) -> dict[str, Any]:
    return {
        "name": INPUT,
        "type": "uint8",
        "shape": list(pixels.shape),
        "color": info.preprocess.color,
        "file": file,
        "sha256": sha256(pixels.tobytes()),
    }


def _image_dict(image: GoldenImage, path: str, pixels: Pixels) -> dict[str, Any]:
    return {
        "image": image.name,
        "jpeg": {"file": path, "sha256": sha256(image.jpeg), "bytes": len(image.jpeg)},
        "decoded": {"width": pixels.shape[1], "height": pixels.shape[0], "sha256": sha256(pixels.tobytes())},
    }


def _output_dict(logits: Floats, info: ArtifactInfo) -> dict[str, Any]:
    probabilities = info.scoring.probabilities(logits)
    if info.temperature is not None:
        probabilities = with_temperature(probabilities, info.temperature)
    scores = best(probabilities, info.labels, _TOP, tie_breaker=logits)
    top = [{"index": score.index, "label": score.label, "probability": score.probability} for score in scores]
    values = {"logits": [float(str(value)) for value in logits], "top": top}
    if info.task == "single-label":
        return values | top[0]
    indexes = np.flatnonzero(info.scoring.assigned(probabilities)).tolist()
    return values | {"probabilities": probabilities.tolist(), "indexes": indexes}
