"""From a first artifact to the finished file: simplified, with what it gives besides the logits, and measured."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.info import ArtifactInfo, parse_info, read_model, write_info
from edgekit.artifact.paths import require_new_path
from edgekit.dataset import PictureSet
from edgekit.errors import SpecError
from edgekit.evaluate.accuracy import measure_accuracy
from edgekit.evaluate.parity import compare, onnx_logits, require_parity
from edgekit.export.parity_inputs import check_pixels
from edgekit.export.simplify import simplify
from edgekit.files import sha256
from edgekit.graph.edit import set_batch
from edgekit.graph.extra_outputs import add_outputs, require_maps_of_logits
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.session import MAX_FIXED_BATCH

# The path to the logits stays as it is.
TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a file gives besides the logits, and how many pictures it takes at a time.

    batch: any number, or whatever the file has already, where None. features: a further output `features`, the pooled
    vector before the linear layer. activation_maps: a further output `maps`, one map for each class, whose mean is its
    logit; see outputs.add_outputs. Raises SpecError for a batch that no file may have.
    """

    batch: int | None = None
    features: bool = False
    activation_maps: bool = False

    def __post_init__(self) -> None:
        if self.batch is not None and self.batch not in range(1, MAX_FIXED_BATCH + 1):
            raise SpecError(f"batch must be 1 to {MAX_FIXED_BATCH} pictures, or any number, not {self.batch!r:.40}")


AS_IT_IS = Form()


def finish(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    parent_sha256: str | None,
    pictures: PictureSet | None = None,
    form: Form = AS_IT_IS,
    on_picture: Callable[[], None] = lambda: None,
) -> tuple[ArtifactInfo, str]:
    """Simplify, refit where it is wanted, measure, write to a new path; what the file says, and what simplified it.

    source: lies in a folder that is gone soon, so the file's parent is `parent_sha256`. Raises as `refit` does; the
    accuracy is measured where pictures with classes are given.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        last, refitted = Path(folder, "simplified.onnx"), Path(folder, "refitted.onnx")
        by = simplify(source, last, pictures=pictures)
        if form != AS_IT_IS:
            refit(last, refitted, pictures=pictures, form=form)
            last = refitted
        model = read_model(last)
        info = dataclasses.replace(parse_info(model, name=str(path)), parent_sha256=parent_sha256)
        if pictures is not None and pictures.classes:
            accuracy = measure_accuracy(Classifier(last), pictures, on_picture=on_picture)
            info = dataclasses.replace(info, metrics=accuracy.to_dict())
    write_info(model, info, path)
    return info, by


def refit(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    pictures: PictureSet | None = None,
    form: Form = AS_IT_IS,
) -> ArtifactInfo:
    """Write the artifact in that form to a new path, and answer what it says.

    Raises SpecError for a network that cannot have those outputs, and ParityError where the logits are no longer the
    same.
    """
    model = read_model(source)
    require_new_path(source, path)
    info = parse_info(model, name=os.fspath(source))
    check_model(model, name=os.fspath(source))
    refitted = model
    if form.features or form.activation_maps:
        refitted = add_outputs(model, features=form.features, maps=form.activation_maps)
    if form.batch is not None:
        refitted = set_batch(refitted, form.batch)
    pixels, origin = check_pixels(info.preprocess, pictures)
    before, after = onnx_logits(model, name=os.fspath(source)), onnx_logits(refitted, name="the refitted model")
    parity = compare(before, after, pixels)
    require_parity(parity, step="refitting", tolerance=TOLERANCE)
    if form.activation_maps:
        require_maps_of_logits(refitted, pixels)
    step = {"refit": parity.to_dict() | {"on": origin}}
    info = dataclasses.replace(info, parity={**info.parity, **step}, parent_sha256=sha256(model))
    write_info(refitted, info, Path(path))
    return info
