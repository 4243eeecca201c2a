"""The complete export of a torch network to a float32 edgekit model: from_torch, simplify, finalize."""

from __future__ import annotations

import dataclasses
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
from edgekit.export.from_torch import ModuleForm, from_torch
from edgekit.export.heads import OutputKind
from edgekit.export.module_config import complete_config, config_notes
from edgekit.export.simplify import simplify
from edgekit.preprocess.scores import Task
from edgekit.preprocess.spec import Preprocess
from edgekit.stages import StageProgress, no_progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The result of an export.

    Attributes:
        path: the file that was written.
        info: its metadata.
        parity: the logits of onnxruntime compared with those of torch.
        simplified_by: "onnxsim", "onnxslim" or "none".
        notes: what was detected in the module, one line each.
        sources: what was taken from the module's library, one line for each origin.
    """

    path: Path
    info: ArtifactInfo
    parity: Parity
    simplified_by: str
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


def to_onnx(
    module: nn.Module,
    path: str | os.PathLike[str],
    *,
    preprocess: Preprocess | object | None = None,
    labels: Sequence[str] | None = None,
    bgr: bool | None = None,
    task: Task | None = None,
    output_kind: OutputKind | None = None,
    model: str | None = None,
    arguments: Mapping[str, Any] = MappingProxyType({}),
    license: str = "unknown",
    images: ImageSet | None = None,
    temperature_images: ImageSet | None = None,
    batch: int | None = None,
    opset: int | None = None,
    features: bool = False,
    activation_maps: bool = False,
    on_warning: Callable[[str], None] = lambda warning: None,
) -> Conversion:
    """Export a torch classifier to one self-contained ONNX file and verify that its logits are unchanged.

    Works for any classifier: from the zoo, torchvision, timm or transformers, or your own. The file outputs logits: a
    softmax or sigmoid at the end of the module is removed, and a single score x becomes the logits 0 and x.

    Args:
        module: classifier with a normalized float32 (N, C, H, W) input. It returns float32 (N, classes) scores, or an
            object with `logits`, a dict with "logits" or with one tensor, or a tuple that begins with the scores. It is
            exported in evaluation mode; its mode is restored afterwards.
        path: .onnx file to write.
        preprocess: how images become the input of the module: a Preprocess; an image processor of transformers; a
            weight enum of torchvision, or its transforms; a data configuration of timm. The normalization becomes part
            of the graph, so the file accepts uint8 pixels (default: what the module states, which timm's modules do).
        labels: class names, in the order of the scores. For a single score x, the names of both classes, in the order
            of the logits 0 and x, or only the name of the class that x is the score of (default: what the module
            states, which modules of transformers and many of timm do).
        bgr: the module expects its channels in BGR order, as for images that OpenCV reads (default: only if
            `preprocess` states it).
        task: "single-label" or "multi-label" (default: what the module states, otherwise multi-label if it ends in
            sigmoids of several classes).
        output_kind: whether the scores are "logits" or "probabilities" (default: detected).
        model: name of the network in the metadata (default: what the module states, otherwise the name of its class).
        arguments: the arguments that the network was built with, for the metadata.
        license: license of the weights, as an SPDX identifier.
        images: labeled images on which every step is compared with torch and the accuracy is measured. Without them,
            the steps are compared on synthetic images and no accuracy is stored.
        temperature_images: at least 100 labeled images to fit a temperature to, which calibrates the probabilities.
            None of them may have trained the network. They may be among `images`, from which
            `edgekit.evaluate.images_for_temperature` draws them: the calibration error is measured on the others.
            Without them, no temperature is stored.
        batch: fixed batch size, 1 to 256; None for a dynamic one.
        opset: ONNX operator set, 18 or later; by default the lowest that the network needs, for old runtimes.
        features: add the output `features`, the pooled vector before the last layer.
        activation_maps: add the output `maps`, class activation maps, e.g. to draw heat maps.
        on_warning: called with the reason if `temperature_images` do not determine the temperature.

    Returns:
        The written file, its metadata and the measured parity; what was detected, and what was taken from where.

    Raises:
        SpecError: the preprocessing or the labels are missing, the module does not return one float32 score per label
            or cannot have these outputs, or another argument is not valid.
        ArtifactError: the configuration that the module carries cannot be used.
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
    check_types(bool | None, bgr=bgr)
    check_types(ImageSet | None, images=images, temperature_images=temperature_images)
    module = getattr(module, "_orig_mod", module)  # the module inside a compiled one
    config = complete_config(module, preprocess=preprocess, labels=labels)
    info = ArtifactInfo(
        model=model or config.model or type(module).__name__,
        arguments=dict(arguments),
        labels=config.labels or (),
        preprocess=Preprocess.from_dict(dict(config.preprocess)),
        license=license,
    )
    conversion = convert(
        module,
        info,
        path,
        images=images,
        temperature_images=temperature_images,
        form=ModuleForm(
            bgr=bool(config.bgr) if bgr is None else bgr, task=task or config.task, output_kind=output_kind
        ),
        opset=opset,
        interface=Interface(batch=batch, features=features, activation_maps=activation_maps),
        on_warning=on_warning,
    )
    notes = config_notes(module, config) if license == "unknown" else ()
    return dataclasses.replace(conversion, notes=(*conversion.notes, *notes), sources=config.source_lines())


def convert(
    network: nn.Module,
    info: ArtifactInfo,
    path: str | os.PathLike[str],
    *,
    images: ImageSet | None = None,
    temperature_images: ImageSet | None = None,
    form: ModuleForm | None = None,
    opset: int | None = None,
    interface: Interface = DEFAULT_INTERFACE,
    progress: StageProgress = no_progress,
    on_warning: Callable[[str], None] = lambda warning: None,
) -> Conversion:
    """Export, simplify and finalize a network: one self-contained float32 file.

    Args:
        network: classifier with a normalized float32 (N, C, H, W) input.
        info: metadata of the file.
        path: .onnx file to write.
        images: labeled images on which every step is compared with its parent and the accuracy is measured. Without
            them, the steps are compared on synthetic images and no accuracy is stored.
        temperature_images: at least 100 labeled images to fit a temperature to, which calibrates the probabilities.
            None of them may have trained the network. They may be among `images`, from which
            `edgekit.evaluate.images_for_temperature` draws them: the calibration error is measured on the others.
            Without them, no temperature is stored.
        form: what the network expects and returns (default: RGB channels, and logits for the task in `info`).
        opset: ONNX operator set, 18 or later; by default the lowest that the network needs, for old runtimes.
        interface: batch size and additional outputs.
        progress: called with a stage's name, its finished images and all its images; None if it counts none.
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
    require_fit_images(temperature_images)
    with tempfile.TemporaryDirectory() as folder:
        exported, simplified = Path(folder, "exported.onnx"), Path(folder, "simplified.onnx")
        progress("exporting", 0, None)
        export = from_torch(network, info, exported, images=images, form=form, opset=opset)
        simplifier = simplify(exported, simplified, images=images, progress=progress)
        info = finalize(
            simplified,
            path,
            parent_sha256=None,  # its parent is the checkpoint, which weights_sha256 identifies
            images=images,
            temperature_images=temperature_images,
            interface=interface,
            progress=progress,
            on_warning=on_warning,
        )
    return Conversion(path=path, info=info, parity=export.parity, simplified_by=simplifier, notes=export.notes)
