"""The whole way from a torch network to a finished float32 artifact: from_torch, simplify, finalize."""

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
from edgekit.evaluate.parity import Parity
from edgekit.export.finalize import DEFAULT_INTERFACE, Interface, finalize
from edgekit.export.from_torch import DEFAULT_OPSET, from_torch
from edgekit.export.simplify import simplify
from edgekit.labels import check_labels
from edgekit.preprocess.spec import Preprocess


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The file that was written. parity: with torch. simplified_by: the simplifier, or none."""

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
    batch: int | None = None,
    opset: int = DEFAULT_OPSET,
    features: bool = False,
    activation_maps: bool = False,
) -> Conversion:
    """Write any torch classifier as one self-contained file: a network of the zoo, of torchvision, of timm, your own.

    module: float32 (N, C, H, W) in, (N, classes) logits out; it is exported in evaluation mode. preprocess: how images
    become its input; the normalization goes into the graph. labels: one for each logit, in order. model, arguments:
    the network's name in the file (its class, by default) and what it was built with. license: of the weights, an SPDX
    name. batch, features, activation_maps: see Interface. The others, and what is raised: see `convert`.
    """
    info = ArtifactInfo(
        model=model or type(getattr(module, "_orig_mod", module)).__name__,
        arguments=dict(arguments),
        labels=check_labels(labels),
        preprocess=preprocess,
        license=license,
    )
    interface = Interface(batch=batch, features=features, activation_maps=activation_maps)
    return convert(module, info, path, images=images, opset=opset, interface=interface)


def convert(
    network: nn.Module,
    info: ArtifactInfo,
    path: str | os.PathLike[str],
    *,
    images: ImageSet | None = None,
    opset: int = DEFAULT_OPSET,
    interface: Interface = DEFAULT_INTERFACE,
    on_image: Callable[[], None] = lambda: None,
) -> Conversion:
    """Export, simplify and finalize: one self-contained float32 file at `path`.

    info: the network's metadata. images: labeled ones, on which every step is compared with its parent and the file's
    accuracy is measured; without them the steps are compared on synthetic images and the accuracy stays unknown.
    on_image is called after each image measured. Raises SpecError for a module that does not fit its labels or
    cannot have that interface, and ParityError if a step changes the logits; then nothing is written.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        exported, simplified = Path(folder, "exported.onnx"), Path(folder, "simplified.onnx")
        parity = from_torch(network, info, exported, images=images, opset=opset)
        simplifier = simplify(exported, simplified, images=images)
        info = finalize(
            simplified,
            path,
            parent_sha256=None,  # what it was made from is the checkpoint, known by weights_sha256
            images=images,
            interface=interface,
            on_image=on_image,
        )
    return Conversion(path=path, info=info, parity=parity, simplified_by=simplifier)
