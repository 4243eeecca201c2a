"""The result of a fit: every candidate with its figures, the search, and the chosen one with its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.fit.budget import Budget
    from edgekit.fit.device import Device
    from edgekit.fit.front import FrontPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One round of the search: candidates that were trained equally long, the faster ones on more images.

    Attributes:
        number: from 1.
        epochs: of each candidate's training up to its end, in all.
        candidates: names of those that were trained.
        survivors: names of those that went on.
        accuracies: of the candidates by name, on the held-out training images, 0 to 1.
        images: number of images that each candidate was trained on in an epoch, by name.
        seconds: that it took.
    """

    number: int
    epochs: float
    candidates: tuple[str, ...]
    survivors: tuple[str, ...]
    accuracies: Mapping[str, float]
    images: Mapping[str, int]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What a fit found.

    Attributes:
        output: the folder with model.onnx, recipe.toml, front.json and report.html.
        data: name of the data set.
        classes: number of its classes.
        budget: the limits.
        device: the device.
        settings: what determines the search besides the images and the device, ready for JSON.
        points: all candidates, those outside the budget too.
        seconds: that the search took, all its sessions together.
        rungs: of the search; empty without a training.
        chosen: the point of `points` whose model was written; None without a training.
        reason: why it was chosen, as a sentence; empty without a training.
        model: the written model; None without a training.
        val_accuracy: accuracy (multi-label: mAP) of the chosen network in float32 on the val images, 0 to 1; None
            without a training, as all that follows.
        quantized_accuracy: the same of the int8 model; None also for a float32 model.
        verdict: of the quality gate on the int8 model, "proven" or "unproven"; None also for a float32 model.
        val_images: number of val images; they have no part in the choice.
        held_out_images: number of training images that are held out to choose by.
    """

    output: Path
    data: str
    classes: int
    budget: Budget
    device: Device
    settings: Mapping[str, Any]
    points: tuple[FrontPoint, ...]
    seconds: float
    rungs: tuple[Rung, ...] = ()
    chosen: FrontPoint | None = None
    reason: str = ""
    model: Path | None = None
    val_accuracy: float | None = None
    quantized_accuracy: float | None = None
    verdict: str | None = None
    val_images: int = 0
    held_out_images: int = 0
