"""The self-test of a bundle: its golden vectors, stage by stage, from JPEG to labels.

It reports in the words of the bundles for browsers and Node.js (edgekit/bundle/web/js/golden.js).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgekit.errors import ArtifactError, EdgekitError, listed, printable, quote
from edgekit.files import read_regular_file, sha256
from edgekit.image.load import load_image
from edgekit.image.source import Pixels
from edgekit.preprocess.scores import Floats
from edgekit.runtime.classifier import Classifier

_SCHEMA = 4
_MAX_BYTES = 2**30


class _Result(NamedTuple):
    """What was computed for one vector, compared with it. crop_equal: None if the image decodes differently here."""

    name: str
    decoded_equal: bool
    crop_equal: bool | None
    difference: float
    labels_equal: bool


class _Stage(NamedTuple):
    """One stage over all vectors: what was compared, and of which image it differs."""

    name: str
    what: str
    compared: int
    different: Sequence[str]
    note: str = ""

    def __str__(self) -> str:
        verdict, equal = "FAILED" if self.different else "passed", self.compared - len(self.different)
        names = f"; different: {listed(map(printable, self.different))}" if self.different else ""
        return f"{verdict}  {self.name}: {equal} of {self.compared} {self.what}{names}{self.note}"


def self_test(classifier: Classifier, golden: Path, *, write: Callable[[str], None]) -> bool:
    """Compare what this machine computes with golden vectors, and print one line for each of four stages.

    The network runs on the golden crops. If an image is decoded to other pixels here, its own crop is not compared, and
    its labels are those of the golden crop.

    Args:
        classifier: the model.
        golden: path of NAME.golden.json.
        write: prints a line.

    Returns:
        Whether all stages passed.

    Raises:
        EdgekitError: a file of the golden vectors is missing, damaged or of another schema.
    """
    document = _document(golden)
    crops = np.frombuffer(_intact(golden.with_name(document["input"]["file"]), document["input"]["sha256"]), np.uint8)
    crops = crops.reshape(document["input"]["shape"])
    tolerance = document["tolerance"]["same_kernels"]
    results = [
        _compare(classifier, vector, crop, folder=golden.parent, tolerance=tolerance)
        for vector, crop in zip(document["vectors"], crops, strict=True)
    ]
    stages = _stages(results, tolerance)
    for stage in stages:
        write(str(stage))
    return not any(stage.different for stage in stages)


def _compare(
    classifier: Classifier, vector: dict[str, Any], crop: Pixels, *, folder: Path, tolerance: float
) -> _Result:
    jpeg = _intact(folder / vector["jpeg"]["file"], vector["jpeg"]["sha256"])
    preprocess = classifier.info.preprocess
    image = load_image(jpeg, color=preprocess.color)
    decoded_equal = sha256(np.asarray(image.pixels).tobytes()) == vector["decoded"]["sha256"]
    own_crop = preprocess.pixels(image)[0] if decoded_equal else crop
    (logits,) = classifier.logits(crop[None])
    (own_logits,) = classifier.logits(own_crop[None])
    return _Result(
        name=vector["image"],
        decoded_equal=decoded_equal,
        crop_equal=bool((own_crop == crop).all()) if decoded_equal else None,
        difference=float(np.abs(logits - np.array(vector["logits"], np.float32)).max()),
        labels_equal=_has_equal_labels(own_logits, vector, tolerance),
    )


def _has_equal_labels(logits: Floats, vector: dict[str, Any], tolerance: float) -> bool:
    """Whether the best classes are the golden ones, except that classes with almost equal logits may change places."""
    golden = vector["logits"]
    order = np.argsort(-logits, kind="stable")[: len(vector["top"])]
    pairs = zip(order, vector["top"], strict=True)
    return all(abs(golden[index] - golden[score["index"]]) <= 2 * tolerance for index, score in pairs)


def _stages(results: Sequence[_Result], tolerance: float) -> tuple[_Stage, ...]:
    judged = [result for result in results if result.crop_equal is not None]
    skipped, largest = len(results) - len(judged), max(result.difference for result in results)
    return (
        _Stage(
            "decoding",
            "images decoded byte for byte",
            len(results),
            [result.name for result in results if not result.decoded_equal],
        ),
        _Stage(
            "preprocessing",
            "crops equal byte for byte",
            len(judged),
            [result.name for result in judged if not result.crop_equal],
            f" ({skipped} not judged, because they decode differently)" if skipped else "",
        ),
        _Stage(
            "network",
            "crops within the tolerance of the logits",
            len(results),
            [result.name for result in results if not result.difference <= tolerance],
            f"; largest difference {largest:.2g}, tolerance {tolerance:.2g}",
        ),
        _Stage(
            "labels",
            "images with the same labels in the same order",
            len(results),
            [result.name for result in results if not result.labels_equal],
        ),
    )


def _document(golden: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(_read(golden))
        schema = document["schema"]
    except (ValueError, LookupError, TypeError):
        raise ArtifactError(f"{golden}: is damaged; copy the bundle again") from None
    if schema != _SCHEMA:
        raise ArtifactError(f"{golden}: has schema {quote(schema)}, but this program reads schema {_SCHEMA}")
    return document


def _intact(path: Path, digest: str) -> bytes:
    """The content of a file; raises ArtifactError if it has another SHA-256."""
    content = _read(path)
    if sha256(content) != digest:
        raise ArtifactError(f"{path}: is damaged; copy the bundle again")
    return content


def _read(path: Path) -> bytes:
    return read_regular_file(path, max_bytes=_MAX_BYTES, error=EdgekitError)
