"""The last step to a finished file: further outputs or a fixed batch, its accuracy, its metadata."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.info import ArtifactInfo, parse_info, read_model, write_info
from edgekit.artifact.paths import require_new_path
from edgekit.dataset import ImageSet
from edgekit.errors import ParityError, SpecError
from edgekit.evaluate.accuracy import measure_accuracy
from edgekit.evaluate.parity import measure_parity, onnx_logits, require_parity
from edgekit.export.parity_inputs import parity_pixels
from edgekit.files import sha256
from edgekit.graph.passes.add_outputs import MAPS, add_outputs
from edgekit.graph.passes.clean import serialized
from edgekit.graph.passes.set_batch import set_batch
from edgekit.image.source import Pixels
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.session import MAX_FIXED_BATCH, open_session, run_batches

# The path to the logits does not change.
TOLERANCE = 1e-5
# The mean of the maps is the logit but for the order of float32 sums.
MAPS_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """The batch size of a file and its outputs besides the logits.

    batch: None for any number, or what the file has already. features: a further output `features`, the pooled
    vector before the linear layer. activation_maps: a further output `maps`, one map for each class, whose mean is its
    logit; see add_outputs. Raises SpecError for a batch that no file may have.
    """

    batch: int | None = None
    features: bool = False
    activation_maps: bool = False

    def __post_init__(self) -> None:
        if self.batch is not None and self.batch not in range(1, MAX_FIXED_BATCH + 1):
            raise SpecError(f"batch must be 1 to {MAX_FIXED_BATCH} images, or any number, not {self.batch!r:.40}")


DEFAULT_INTERFACE = Interface()


def finalize(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    parent_sha256: str | None,
    images: ImageSet | None = None,
    interface: Interface = DEFAULT_INTERFACE,
    on_image: Callable[[], None] = lambda: None,
) -> ArtifactInfo:
    """Write the simplified artifact with that interface and its measured accuracy to a new path; its metadata.

    parent_sha256: of the file that the user knows, because `source` is temporary. images: if they have classes, the
    accuracy is measured on them. Raises as change_interface.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder, "changed.onnx")
        if interface != DEFAULT_INTERFACE:
            change_interface(source, changed, images=images, interface=interface)
            source = changed
        model = read_model(source)
        info = dataclasses.replace(parse_info(model, name=str(path)), parent_sha256=parent_sha256)
        if images is not None and images.classes:
            accuracy = measure_accuracy(Classifier(source), images, on_image=on_image)
            info = dataclasses.replace(info, metrics=accuracy.to_dict())
    write_info(model, info, path)
    return info


def change_interface(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    images: ImageSet | None = None,
    interface: Interface = DEFAULT_INTERFACE,
) -> ArtifactInfo:
    """Write the artifact with that interface to a new path; its metadata.

    Raises SpecError for a network that cannot have those outputs, and ParityError if the logits change.
    """
    model = read_model(source)
    require_new_path(source, path)
    info = parse_info(model, name=os.fspath(source))
    check_model(model, name=os.fspath(source))
    parsed = onnx.load_from_string(model)
    if interface.features or interface.activation_maps:
        parsed = add_outputs(parsed, features=interface.features, maps=interface.activation_maps)
    if interface.batch is not None:
        parsed = set_batch(parsed, batch=interface.batch)
    changed = model if interface == DEFAULT_INTERFACE else serialized(parsed)
    pixels, origin = parity_pixels(info.preprocess, images)
    before, after = onnx_logits(model, name=os.fspath(source)), onnx_logits(changed, name="the refitted model")
    parity = measure_parity(before, after, pixels)
    require_parity(parity, step="refitting", tolerance=TOLERANCE)
    if interface.activation_maps:
        require_maps_of_logits(changed, pixels)
    measured = {"refit": parity.to_dict() | {"on": origin}}
    info = dataclasses.replace(info, parity={**info.parity, **measured}, parent_sha256=sha256(model))
    write_info(changed, info, Path(path))
    return info


def require_maps_of_logits(model: bytes, pixels: Pixels) -> None:
    """Raises ParityError if the mean of the maps is not the logits, on uint8 pixels (N, height, width, channels)."""
    session = open_session(model, name="the model with maps")
    maps, logits = (run_batches(session, pixels[:1], output=name) for name in (MAPS, "logits"))
    difference = float(np.abs(maps.mean(axis=(2, 3)) - logits).max() / max(np.abs(logits).max(), 1e-30))
    if not difference <= MAPS_TOLERANCE:
        raise ParityError(
            f"the mean of the class maps differs from the logits by {difference:.2g} of the largest (allowed "
            f"{MAPS_TOLERANCE:.2g}); nothing was written",
            measured=difference,
            tolerance=MAPS_TOLERANCE,
        )
