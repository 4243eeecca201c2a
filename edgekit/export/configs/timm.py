"""timm: a model's `pretrained_cfg`, and the config.json in which timm stores it beside class names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.errors import ArtifactError, quote, unknown
from edgekit.export.configs.document import Document
from edgekit.export.third_party_config import ThirdPartyConfig
from edgekit.hub.registry import imagenet_labels
from edgekit.label_files import labels_of

# What timm uses where a configuration has no value: timm.data.resolve_data_config.
_DEFAULTS = {
    "input_size": (3, 224, 224),
    "interpolation": "bicubic",
    "crop_pct": 0.875,
    "crop_mode": "center",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
}
_CROP_MODES = ("center", "squash", "border")
_INTERPOLATIONS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")


def read(
    pretrained_cfg: Mapping[str, Any],
    *,
    label_names: Sequence[str] | Mapping[Any, Any] | None = None,
    label_descriptions: Mapping[str, str] | None = None,
    architecture: str | None = None,
    name: str = "pretrained_cfg",
) -> ThirdPartyConfig:
    """Read what a `pretrained_cfg` of timm fixes: the transform of timm's evaluation at the training size.

    Args:
        pretrained_cfg: the values, as in `model.pretrained_cfg`; what they lack has timm's default.
        label_names: names of the classes, if they lie outside the configuration.
        label_descriptions: a readable name for each of the names.
        architecture: name of the network, if it lies outside the configuration.
        name: what messages and sources call the configuration.

    Raises:
        ArtifactError: a value has the wrong type, or is one that timm does not know.
        DataError: the class names are malformed.
    """
    given = Document(pretrained_cfg, name)
    preprocess = _preprocess(given.with_defaults(_DEFAULTS))
    labels = _labels(given, label_names or given.values.get("label_names"), label_descriptions)
    values: dict[str, Any] = {
        "labels": labels,
        "license": given.text("license"),
        "model": architecture or given.text("architecture"),
    }
    sources = dict.fromkeys(preprocess, name)
    sources |= {key: name for key, value in values.items() if value is not None}
    if labels is not None and labels == imagenet_labels():
        sources["labels"] = f"ImageNet's, as the tag in {name} states"
    return ThirdPartyConfig(preprocess=preprocess, sources=sources, **values)


def read_config(config: Mapping[str, Any], *, name: str = "config.json") -> ThirdPartyConfig:
    """Read a config.json of timm.

    Args:
        config: the parsed file; before 2023, the values of `pretrained_cfg` lay beside the others.
        name: what messages and sources call it.

    Raises:
        ArtifactError: a value has the wrong type, or is one that timm does not know.
        DataError: the class names are malformed.
    """
    document = Document(config, name)
    part = document.part("pretrained_cfg")
    descriptions = document.part("label_descriptions")
    inherited = {key: config[key] for key in ("num_classes",) if key in config}
    return read(
        {**inherited, **(part.values if part else config)},
        label_names=config.get("label_names"),
        label_descriptions=None if descriptions is None else descriptions.values,
        architecture=document.text("architecture"),
        name=name,
    )


def _preprocess(values: Document) -> dict[str, Any]:
    """The arithmetic of timm.data.transforms_imagenet_eval."""
    channels, height, width = values.extents("input_size", count=3) or (0, 0, 0)
    if channels not in (1, 3):
        raise values.error("input_size", "(channels, height, width) with 1 or 3 channels")
    mode, interpolation = values.text("crop_mode"), values.text("interpolation")
    if mode not in _CROP_MODES:
        raise ArtifactError(f"{values.name}: {unknown('crop_mode', mode, _CROP_MODES)}")
    if interpolation not in _INTERPOLATIONS:  # "random" is for training: timm's own evaluation fails on it
        raise ArtifactError(f"{values.name}: {unknown('interpolation', interpolation, _INTERPOLATIONS)}")
    if "crop_border_pixels" in values:
        raise values.refusal("crop_border_pixels trims the image before the resize")
    fraction = values.number("crop_pct") or 1.0
    scaled = (math.floor(height / fraction), math.floor(width / fraction))
    means, stds = values.numbers("mean") or (0.0,), values.numbers("std") or (1.0,)
    preprocess: dict[str, Any] = {"crop": (height, width), "interpolation": interpolation, "mean": means, "std": stds}
    if channels == 1:
        preprocess["color"] = "L"
    if mode == "squash":
        return {"fit": "squash", "resize": scaled, **preprocess}
    if mode == "border":
        return {"fit": "letterbox", "resize": scaled, "fill": tuple(round(255 * mean) for mean in means), **preprocess}
    if height != width:
        return {"fit": "cover", "resize": scaled, **preprocess}
    if scaled[0] < height:  # timm rounds the offset of the padded image, which depends on the parity of both
        raise values.refusal(f"crop_pct {fraction}: the crop is larger than the resized image")
    return {"resize": scaled[0], **preprocess}


def _labels(given: Document, names: object, descriptions: Mapping[str, str] | None) -> tuple[str, ...] | None:
    """The class names: readable ones if the configuration has them, or ImageNet's if its tag names that data set."""
    if names is not None:
        labels = labels_of(list(names) if isinstance(names, tuple) else names, f"{given.name}: label_names")
        described = descriptions or {}
        readable = tuple(described.get(label, label) for label in labels)
        if not all(isinstance(label, str) and label for label in readable):
            raise ArtifactError(f"{given.name}: label_descriptions must be texts by name (got {quote(descriptions)})")
        return readable
    tag = given.text("tag") or ""
    is_imagenet = given.values.get("num_classes") == 1000 and re.search(r"(^|_)in1k(_[0-9]+)?$", tag)
    return imagenet_labels() if is_imagenet else None
