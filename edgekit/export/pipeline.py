"""The complete export of a torch network to a float32 edgekit model: from_torch, simplify, finalize."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import nn

from edgekit.artifact.info import ArtifactInfo
from edgekit.dataset import ImageSet
from edgekit.errors import check_types
from edgekit.evaluate.parity import Parity
from edgekit.evaluate.temperature import require_fit_images
from edgekit.export.finalize import DEFAULT_INTERFACE, Interface, finalize
from edgekit.export.from_torch import DEFAULT_OPSET, from_torch
from edgekit.export.simplify import simplify
from edgekit.labels import check_labels
from edgekit.preprocess.spec import Preprocess


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The result of an export.

    Attributes:
        path: the file that was written.
        info: its metadata.
        parity: the logits of onnxruntime compared with those of torch.
        simplified_by: "onnxsim", "onnxslim" or "none".
    """

    path: Path
    info: ArtifactInfo
    parity: Parity
    simplified_by: str


def to_onnx(
    module: nn.Module,
    path: str | os.PathLike[str],
    *,
    preprocess: Preprocess,
    labels: Sequence[str],
    model: str | None = None,
    arguments: Mapping[str, Any] = MappingProxyType({}),
    license: str = "unknown",
    images: ImageSet | None = None,
    temperature_images: ImageSet | None = None,
    batch: int | None = None,
    opset: int = DEFAULT_OPSET,
    features: bool = False,
    activation_maps: bool = False,
    on_warning: Callable[[str], None] = lambda warning: None,
) -> Conversion:
    """Export a torch classifier to one self-contained ONNX file and verify that its logits are unchanged.

    Works for any single-label classifier: from the zoo, torchvision or timm, or your own.

    Args:
        module: classifier with a normalized float32 (N, C, H, W) input and float32 (N, classes) logits as output. It
            is exported in evaluation mode; its mode is restored afterwards.
        path: .onnx file to write.
        preprocess: how images become the input of the module. The normalization becomes part of the graph, so the file
            accepts uint8 pixels.
        labels: class names, in the order of the logits.
        model: name of the network in the metadata (default: the name of its class).
        arguments: the arguments that the network was built with, for the metadata.
        license: license of the weights, as an SPDX identifier.
        images: labeled images on which every step is compared with torch and the accuracy is measured. Without them,
            the steps are compared on synthetic images and no accuracy is stored.
        temperature_images: at least 100 labeled images to fit a temperature to, which calibrates the probabilities.
            None of them may be in `images` or have trained the network; `edgekit.evaluate.split_for_temperature` splits
            a set. Without them, no temperature is stored.
        batch: fixed batch size, 1 to 256; None for a dynamic one.
        opset: ONNX operator set, 18 or later.
        features: add the output `features`, the pooled vector before the last layer.
        activation_maps: add the output `maps`, class activation maps, e.g. to draw heat maps.
        on_warning: called with the reason if `temperature_images` do not determine the temperature.

    Returns:
        The written file, its metadata and the measured parity.

    Raises:
        SpecError: the module does not return one float32 logit per label, cannot have these outputs, or another
            argument is not valid.
        DataError: the images cannot be used.
        ParityError: a step changed the logits; nothing is written.
        EdgekitError: torch cannot export the module.

    Example:
        >>> from torch import nn
        >>> from edgekit import Preprocess
        >>> from edgekit.export import to_onnx
        >>> conversion = to_onnx(
        ...     nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)),
        ...     "own.onnx",
        ...     preprocess=Preprocess(resize=32, crop=32),
        ...     labels=["cat", "dog"],
        ...     license="Apache-2.0",
        ... )
        >>> conversion.parity.agreement
        1.0
    """
    check_types(nn.Module, module=module)
    check_types(str | os.PathLike, path=path)
    check_types(Preprocess, preprocess=preprocess)
    check_types(ImageSet | None, images=images, temperature_images=temperature_images)
    info = ArtifactInfo(
        model=model or type(getattr(module, "_orig_mod", module)).__name__,
        arguments=dict(arguments),
        labels=check_labels(labels),
        preprocess=preprocess,
        license=license,
    )
    return convert(
        module,
        info,
        path,
        images=images,
        temperature_images=temperature_images,
        opset=opset,
        interface=Interface(batch=batch, features=features, activation_maps=activation_maps),
        on_warning=on_warning,
    )


def convert(
    network: nn.Module,
    info: ArtifactInfo,
    path: str | os.PathLike[str],
    *,
    images: ImageSet | None = None,
    temperature_images: ImageSet | None = None,
    opset: int = DEFAULT_OPSET,
    interface: Interface = DEFAULT_INTERFACE,
    on_image: Callable[[], None] = lambda: None,
    on_warning: Callable[[str], None] = lambda warning: None,
) -> Conversion:
    """Export, simplify and finalize a network: one self-contained float32 file.

    Args:
        network: classifier with a normalized float32 (N, C, H, W) input and (N, classes) logits as output.
        info: metadata of the file.
        path: .onnx file to write.
        images: labeled images on which every step is compared with its parent and the accuracy is measured. Without
            them, the steps are compared on synthetic images and no accuracy is stored.
        temperature_images: at least 100 labeled images to fit a temperature to, which calibrates the probabilities.
            None of them may be in `images` or have trained the network; `edgekit.evaluate.split_for_temperature` splits
            a set. Without them, no temperature is stored.
        opset: ONNX operator set, 18 or later.
        interface: batch size and additional outputs.
        on_image: called after each image of the fit and the accuracy measurement.
        on_warning: called with the reason if `temperature_images` do not determine the temperature.

    Returns:
        The written file, its metadata and the measured parity.

    Raises:
        DataError: the images cannot be used.
        SpecError: the network does not fit its labels, or cannot have the interface.
        ParityError: a step changed the logits; nothing is written.
        EdgekitError: torch cannot export the network.
    """
    path = Path(path)
    require_fit_images(temperature_images, images=images)
    with tempfile.TemporaryDirectory() as folder:
        exported, simplified = Path(folder, "exported.onnx"), Path(folder, "simplified.onnx")
        parity = from_torch(network, info, exported, images=images, opset=opset)
        simplifier = simplify(exported, simplified, images=images)
        info = finalize(
            simplified,
            path,
            parent_sha256=None,  # its parent is the checkpoint, which weights_sha256 identifies
            images=images,
            temperature_images=temperature_images,
            interface=interface,
            on_image=on_image,
            on_warning=on_warning,
        )
    return Conversion(path=path, info=info, parity=parity, simplified_by=simplifier)
