"""The last step of an export: adds outputs or fixes the batch size, measures the accuracy, writes the metadata."""

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
from edgekit.artifact.info import ArtifactInfo, parse_info, read_model, with_info, write_info
from edgekit.artifact.paths import require_new_path
from edgekit.dataset import ImageSet
from edgekit.errors import ParityError, SpecError, check_types, must_be
from edgekit.evaluate.accuracy import figures_beside_fit, measure_accuracy, true_labels
from edgekit.evaluate.parity import measure_parity, onnx_logits, require_parity
from edgekit.evaluate.temperature import are_among, classifier_logits
from edgekit.evaluate.thresholds import with_fitted_scoring
from edgekit.export.parity_inputs import parity_pixels
from edgekit.files import sha256
from edgekit.graph.passes.add_outputs import MAPS, add_outputs
from edgekit.graph.passes.clean import serialized
from edgekit.graph.passes.set_batch import set_batch
from edgekit.image.source import Pixels
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.session import MAX_FIXED_BATCH, open_session, run_batches
from edgekit.stages import StageProgress, no_progress, step_counter

# The computation of the logits does not change.
TOLERANCE = 1e-5
# The mean of the maps is the logits, up to the order of float32 sums.
MAPS_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """The batch size of a model and its outputs in addition to the logits.

    Args:
        batch: fixed batch size, 1 to 256; None keeps that of the model, which is dynamic unless it was fixed before.
        features: add the output `features`, float32 (batch, features): the pooled vector before the last layer.
        activation_maps: add the output `maps`, float32 (batch, classes, height, width): class activation maps, whose
            mean over height and width is the logits.

    Raises:
        SpecError: `batch` is not an integer from 1 to 256.

    Example:
        >>> from edgekit.export import Interface
        >>> Interface(batch=1, features=True)
        Interface(batch=1, features=True, activation_maps=False)
    """

    batch: int | None = None
    features: bool = False
    activation_maps: bool = False

    def __post_init__(self) -> None:
        if self.batch is not None and self.batch not in range(1, MAX_FIXED_BATCH + 1):
            expected = f"an integer from 1 to {MAX_FIXED_BATCH}, or None for a dynamic batch size"
            raise SpecError(must_be("batch", expected, self.batch))
        check_types(bool, features=self.features, activation_maps=self.activation_maps)


DEFAULT_INTERFACE = Interface()


def finalize(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    parent_sha256: str | None,
    images: ImageSet | None = None,
    temperature_images: ImageSet | None = None,
    interface: Interface = DEFAULT_INTERFACE,
    progress: StageProgress = no_progress,
    on_warning: Callable[[str], None] = lambda warning: None,
) -> ArtifactInfo:
    """Write the finished model: with the requested interface, a fitted temperature and its measured accuracy.

    Args:
        source: simplified edgekit model, a temporary file.
        path: file to write.
        parent_sha256: hash of the file that the user converted, to record as the parent; None if there is none.
        images: images to compare the logits on (default: synthetic images); if they have classes, the accuracy is
            measured on them too.
        temperature_images: labeled images that the temperature, or the thresholds of a multi-label model, are fitted to
            (default: none are fitted). They may be among `images`; the calibration error, or the F1 score, is measured
            on the others.
        interface: batch size and additional outputs.
        progress: called with a stage's name, its finished images and all its images.
        on_warning: called with the reason if `temperature_images` do not determine the temperature.

    Returns:
        The metadata of the written file.

    Raises:
        DataError: the images do not have the classes of the model.
        SpecError: the network cannot have the additional outputs.
        ParityError: the logits changed.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder, "changed.onnx")
        if interface != DEFAULT_INTERFACE:
            change_interface(source, changed, images=images, interface=interface)
            source = changed
        model = read_model(source)
        info = dataclasses.replace(parse_info(model, name=str(path)), parent_sha256=parent_sha256)
        if temperature_images is not None:
            truth = true_labels(temperature_images, info)
            on_image = step_counter(progress, f"fitting the {_fitted(info)}", len(temperature_images))
            logits = classifier_logits(Classifier(source), temperature_images, on_image=on_image)
            info = with_fitted_scoring(info, logits, truth, on_warning=on_warning)
        if images is not None and images.classes:
            on_image = step_counter(progress, "measuring the accuracy", len(images))
            accuracy = measure_accuracy(Classifier(with_info(model, info)), images, on_image=on_image)
            metrics = accuracy.to_dict()
            if temperature_images is not None:
                metrics |= figures_beside_fit(accuracy, info, ~are_among(images, temperature_images))
            info = dataclasses.replace(info, metrics=metrics)
    write_info(model, info, path)
    return info


def _fitted(info: ArtifactInfo) -> str:
    return "temperature" if info.task == "single-label" else "thresholds"


def change_interface(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    images: ImageSet | None = None,
    interface: Interface = DEFAULT_INTERFACE,
) -> ArtifactInfo:
    """Change the batch size of an edgekit model, or add outputs to it.

    Args:
        source: edgekit model.
        path: file to write; must not be `source`.
        images: images to compare the logits on (default: synthetic images).
        interface: batch size and additional outputs.

    Returns:
        The metadata of the written file.

    Raises:
        ArtifactError: `source` is not an edgekit model, or is refused.
        SpecError: the network cannot have these outputs, or `path` would replace `source`.
        ParityError: the logits changed; nothing is written.

    Example:
        >>> from edgekit.export.finalize import Interface, change_interface
        >>> info = change_interface("model.onnx", "model-batch1.onnx", interface=Interface(batch=1))  # doctest: +SKIP
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
    before = onnx_logits(model, name=os.fspath(source), target=info.target)
    after = onnx_logits(changed, name="the changed model", target=info.target)
    parity = measure_parity(before, after, pixels, scoring=info.scoring)
    require_parity(parity, step="changing the batch size or outputs", tolerance=TOLERANCE)
    if interface.activation_maps:
        require_maps_average_to_logits(changed, pixels)
    measured = {"refit": parity.to_dict() | {"on": origin}}
    info = dataclasses.replace(info, parity={**info.parity, **measured}, parent_sha256=sha256(model))
    write_info(changed, info, Path(path))
    return info


def require_maps_average_to_logits(model: bytes, pixels: Pixels) -> None:
    """Check that the mean of the class activation maps is the logits.

    Args:
        model: bytes of a model with the outputs `logits` and `maps`.
        pixels: uint8 (N, height, width, channels); the first image is used.

    Raises:
        ParityError: it is not.
    """
    session = open_session(model, name="the model with maps")
    maps, logits = (run_batches(session, pixels[:1], output=name) for name in (MAPS, "logits"))
    difference = float(np.abs(maps.mean(axis=(2, 3)) - logits).max() / max(np.abs(logits).max(), 1e-30))
    if not difference <= MAPS_TOLERANCE:
        raise ParityError(
            f"the mean of the activation maps differs from the logits by {difference:.2g} of the largest logit "
            f"(allowed {MAPS_TOLERANCE:.2g}); nothing was written",
            measured=difference,
            tolerance=MAPS_TOLERANCE,
        )
