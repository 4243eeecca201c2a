"""The whole way from a torch network to a finished float32 artifact."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from edgekit.artifact import ArtifactInfo, parse_info, read_model, write_info
from edgekit.dataset import PictureSet
from edgekit.evaluate.accuracy import measure_accuracy
from edgekit.export.parity import Parity
from edgekit.export.simplify import simplify
from edgekit.export.to_onnx import DEFAULT_OPSET, to_onnx
from edgekit.runtime.classifier import Classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What was written, and how it compares: with torch, and with the truth where labelled pictures were given."""

    path: Path
    info: ArtifactInfo
    parity: Parity
    simplified_by: str


def convert(
    network: nn.Module,
    info: ArtifactInfo,
    path: str | os.PathLike[str],
    *,
    pictures: PictureSet | None = None,
    opset: int = DEFAULT_OPSET,
    on_picture: Callable[[], None] = lambda: None,
) -> Conversion:
    """Export, simplify, and measure: one self-contained float32 file at `path`.

    pictures: labelled ones, on which every step is compared with its parent and the file's accuracy is measured;
    without them the steps are compared on drawings and the accuracy stays unknown. on_picture is called after each
    picture measured. Raises ParityError where a step changes the answers; then nothing is written.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        exported, simplified = Path(folder, "exported.onnx"), Path(folder, "simplified.onnx")
        parity = to_onnx(network, info, exported, pictures=pictures, opset=opset)
        by = simplify(exported, simplified, pictures=pictures)
        model = read_model(simplified)
        # The steps between lie in a folder that is gone soon: the file's parent is the checkpoint, by weights_sha256.
        info = dataclasses.replace(parse_info(model, name=str(path)), parent_sha256=None)
        if pictures is not None:
            accuracy = measure_accuracy(Classifier(simplified), pictures, on_picture=on_picture)
            info = dataclasses.replace(info, metrics=accuracy.to_dict())
    write_info(model, info, path)
    return Conversion(path=path, info=info, parity=parity, simplified_by=by)
