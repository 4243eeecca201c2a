"""The whole way from a torch network to a finished float32 artifact."""

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
from edgekit.dataset import PictureSet
from edgekit.evaluate.parity import Parity
from edgekit.export.finalize import AS_IT_IS, Form, finish
from edgekit.export.from_torch import DEFAULT_OPSET, from_torch
from edgekit.labels import check_labels
from edgekit.preprocess.spec import Preprocess


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What was written, and how it compares: with torch, and with the truth where labelled pictures were given."""

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
    licence: str = "unknown",
    pictures: PictureSet | None = None,
    batch: int | None = None,
    opset: int = DEFAULT_OPSET,
    features: bool = False,
    activation_maps: bool = False,
) -> Conversion:
    """Write any torch classifier as one self-contained file: a network of the zoo, of torchvision, of timm, your own.

    module: float32 (N, C, H, W) in, (N, classes) logits out; it is exported as it evaluates. preprocess: how pictures
    become its input; the normalization goes into the graph. labels: one for each logit, in order. model, arguments:
    what the file calls the network (its class, by default) and what it was built with. licence: of the weights, an SPDX
    name. batch, features, activation_maps: see Form. The others, and what is raised, are those of `convert`.
    """
    info = ArtifactInfo(
        model=model or type(getattr(module, "_orig_mod", module)).__name__,
        arguments=dict(arguments),
        labels=check_labels(labels),
        preprocess=preprocess,
        licence=licence,
    )
    form = Form(batch=batch, features=features, activation_maps=activation_maps)
    return convert(module, info, path, pictures=pictures, opset=opset, form=form)


def convert(
    network: nn.Module,
    info: ArtifactInfo,
    path: str | os.PathLike[str],
    *,
    pictures: PictureSet | None = None,
    opset: int = DEFAULT_OPSET,
    form: Form = AS_IT_IS,
    on_picture: Callable[[], None] = lambda: None,
) -> Conversion:
    """Export, simplify, finish and measure: one self-contained float32 file at `path`.

    info: what is known of the network. pictures: labelled ones, on which every step is compared with its parent and the
    file's accuracy is measured; without them the steps are compared on drawings and the accuracy stays unknown.
    on_picture is called after each picture measured. Raises SpecError for a module that does not fit its labels or
    cannot take that form, and ParityError where a step changes the answers; then nothing is written.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder, "exported.onnx")
        parity = from_torch(network, info, exported, pictures=pictures, opset=opset)
        # No parent file: what it was made from is the checkpoint, known by weights_sha256.
        info, by = finish(exported, path, parent_sha256=None, pictures=pictures, form=form, on_picture=on_picture)
    return Conversion(path=path, info=info, parity=parity, simplified_by=by)
