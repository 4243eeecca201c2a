"""Ultralytics: the metadata that its exporter writes into an .onnx file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.errors import ArtifactError, quote
from edgekit.export.configs.document import Document
from edgekit.export.third_party_config import ThirdPartyConfig
from edgekit.label_files import labels_of, parse_literal


def is_ultralytics(metadata: Mapping[str, str]) -> bool:
    """Whether the metadata of an .onnx file is that of Ultralytics' exporter.

    Args:
        metadata: text by key.
    """
    return {"task", "names", "imgsz"} <= metadata.keys()


def read(metadata: Mapping[str, str], *, name: str = "metadata of the model") -> ThirdPartyConfig:
    """Read what the metadata of an Ultralytics classifier fixes.

    The transform is that of its predictor: the short edge becomes `imgsz`, or a size that is not a square is squashed;
    center crop; values on a 0-1 scale.

    Args:
        metadata: text by key; `names` and `imgsz` are in Python's notation.
        name: what messages and sources call it.

    Raises:
        ArtifactError: the model is not a classifier, or a value is malformed.
        DataError: the class names are malformed.
    """
    task = metadata.get("task")
    if task != "classify":
        raise ArtifactError(f"{name}: the model's task is {quote(task)}; edgekit runs classifiers (classify)")
    size = parse_literal(metadata["imgsz"], f"{name}: imgsz")
    document = Document({"imgsz": [size, size] if isinstance(size, int) else size}, name)
    height, width = document.extents("imgsz", count=2) or (0, 0)
    squash: dict[str, Any] = {} if height == width else {"fit": "squash"}
    preprocess = {
        **squash,
        "resize": height if height == width else (height, width),
        "crop": (height, width),
        "interpolation": "bilinear",
        "mean": 0.0,
        "std": 1.0,
    }
    license = metadata.get("license", "").partition(" License")[0] or None
    return ThirdPartyConfig(
        preprocess=preprocess,
        labels=labels_of(parse_literal(metadata["names"], f"{name}: names"), f"{name}: names"),
        license=license,
        sources=dict.fromkeys([*preprocess, "labels", *(["license"] if license else [])], f"{name} (Ultralytics)"),
    )
