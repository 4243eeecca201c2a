"""torchvision: the transforms and class names of a weight enum, such as ResNet50_Weights.IMAGENET1K_V2."""

from __future__ import annotations

import importlib
from typing import Any

from edgekit.errors import EdgekitError, SpecError, quote
from edgekit.export.third_party_config import ThirdPartyConfig
from edgekit.label_files import labels_of


def read(weights: str) -> ThirdPartyConfig:
    """Read what a weight enum of the installed torchvision fixes; no weights are downloaded.

    Args:
        weights: "ENUM.MEMBER", e.g. "ResNet50_Weights.IMAGENET1K_V2".

    Raises:
        EdgekitError: torchvision is not installed, or cannot be imported.
        SpecError: it has no such weights, or they are not those of a classifier.
    """
    try:
        models = importlib.import_module("torchvision.models")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "torchvision":
            raise EdgekitError(f"torchvision cannot be imported: {quote(error)}") from None
        raise EdgekitError("torchvision is not installed; run: pip install torchvision") from None
    except Exception as error:  # a torchvision that does not fit the installed torch fails in its own ways
        raise EdgekitError(f"torchvision cannot be imported: {quote(error)}") from None
    name = f"torchvision {weights}"
    try:
        member = models.get_weight(weights)
    except (ValueError, AttributeError, KeyError):
        raise SpecError(
            f"torchvision has no weights {quote(weights)}; write ENUM.MEMBER, e.g. ResNet50_Weights.IMAGENET1K_V2"
        ) from None
    config = read_transforms(member.transforms(), name=name)
    labels = labels_of(list(member.meta["categories"]), f"{name}: categories")
    sources = dict.fromkeys([*config.preprocess, "labels"], f"preset {name}")
    return ThirdPartyConfig(preprocess=config.preprocess, labels=labels, sources=sources)


def read_transforms(transforms: object, *, name: str) -> ThirdPartyConfig:
    """Read what the transforms of a weight enum fix.

    Args:
        transforms: the object that `weights.transforms()` returns.
        name: what messages and sources call it.

    Raises:
        SpecError: they are not those of an image classifier.
    """
    if type(transforms).__name__ != "ImageClassification":
        raise SpecError(f"{name}: not the weights of an image classifier: made for {type(transforms).__name__}")
    values: Any = transforms
    resize, crop = tuple(values.resize_size), tuple(values.crop_size)
    preprocess: dict[str, Any] = {
        **({} if len(resize) == 1 else {"fit": "squash"}),
        "resize": resize[0] if len(resize) == 1 else resize,
        "crop": crop * 2 if len(crop) == 1 else crop,
        "interpolation": values.interpolation.value,
        "mean": tuple(values.mean),
        "std": tuple(values.std),
    }
    return ThirdPartyConfig(preprocess=preprocess, sources=dict.fromkeys(preprocess, name))
