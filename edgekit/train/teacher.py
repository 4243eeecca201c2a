"""Knowledge distillation: what another model predicts is learned besides the labels.

The loss of an image is a mean of its cross-entropy and of the Kullback-Leibler divergence from the teacher's
probabilities to the network's, both at a temperature, times its square (Hinton et al. 2015, arXiv 1503.02531, section
2). The teacher is a model file, or the mean of several. It predicts each training image once, without augmentation and
without torch.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.dataset import ImageSet
from edgekit.errors import DataError, listed, quote
from edgekit.files import read_regular_file, sha256, write_atomically
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.ensemble import Ensemble
from edgekit.stages import StageProgress, no_progress, step_counter
from edgekit.train.distributed import TrainingProcess
from edgekit.train.teacher_settings import Distill

_SMALLEST = 1e-12  # probability whose logarithm is taken; a network in float32 hardly tells smaller ones apart
_MAX_MODEL_BYTES, _MAX_BYTES = 2**31, 2**33


class SoftTargets(NamedTuple):
    """What the teacher says about the images of a batch.

    Attributes:
        probabilities: float32 (N, classes), at the temperature; of mixed images, mixed as their labels.
        share: of the loss that they decide.
        temperature: by which logits are divided.
    """

    probabilities: Tensor
    share: float
    temperature: float

    def divergence(self, logits: Tensor) -> Tensor:
        """The sum over the images of the divergence, times the squared temperature.

        Args:
            logits: (N, classes), of the network that learns.
        """
        learned = F.log_softmax(logits.float() / self.temperature, dim=1)
        targets = self.probabilities.to(logits.device)
        return self.temperature**2 * F.kl_div(learned, targets, reduction="sum")


class Teacher:
    """The predictions of a teacher for all training images.

    Args:
        logits: float32 (images, classes), up to a constant of each image.
        settings: the [distill] section of the recipe.
    """

    def __init__(self, logits: npt.NDArray[np.float32], settings: Distill) -> None:
        self._settings = settings
        self._probabilities = F.softmax(torch.from_numpy(logits) / settings.teacher_temperature, dim=1)

    def targets(self, indexes: Tensor, partners: Tensor, share: float) -> SoftTargets:
        """The targets of a batch.

        Args:
            indexes: int64 (N,), of its images in the training set.
            partners: the same of the images that are mixed in with weight 1 - share.
            share: weight of the first ones, 0 to 1.
        """
        probabilities = self._probabilities[indexes]
        if share < 1:
            probabilities = share * probabilities + (1 - share) * self._probabilities[partners]
        return SoftTargets(probabilities, self._settings.teacher_share, self._settings.teacher_temperature)


def check_teacher(settings: Distill) -> None:
    """Check that the teacher of a recipe, if it has one, is a model: reading the images first may take long.

    Args:
        settings: the [distill] section of the recipe.

    Raises:
        DataError: the file cannot be read.
        ArtifactError: it is not a model.
    """
    for path in settings.teachers:
        _model_bytes(path)  # its own error for a missing file
        Classifier(path).close()


def _model_bytes(path: str) -> bytes:
    return read_regular_file(path, max_bytes=_MAX_MODEL_BYTES, error=DataError)


def read_teacher(
    settings: Distill,
    images: ImageSet,
    *,
    cache: Path,
    process: TrainingProcess,
    device: str,
    on_stage: StageProgress = no_progress,
) -> Teacher | None:
    """The teacher of a recipe, after it has predicted the training images; None if the recipe has none.

    Args:
        settings: the [distill] section of the recipe.
        images: the training images.
        cache: file that keeps the predictions, so that a resumed run does not compute them again.
        process: of several, each predicts a share of the images, and the first one writes the file.
        device: that the processes communicate with.
        on_stage: called after each image: stage, finished images, all images.

    Raises:
        DataError: the images or the teacher have several labels each, the teacher has other classes, or `cache` has the
            predictions of another teacher or of other images.
        ArtifactError: the file is not a model.
        ImageError: an image cannot be read.
    """
    if not settings.teachers:
        return None
    if images.task == "multi-label":
        raise DataError("a teacher needs images with one label each; these have several")
    models = "".join(sha256(_model_bytes(path)) for path in settings.teachers)
    plan = "" if settings.teacher_plan == "center" else settings.teacher_plan
    key = sha256((models + plan + images.fingerprint()).encode())
    if cache.exists():
        return Teacher(_read(cache, key), settings)
    with _open(settings.teachers, images.classes) as teacher:
        order = [teacher.labels.index(name) for name in images.classes]
        own = process.share(np.arange(len(images)))
        on_image = step_counter(on_stage, "the teacher's predictions", len(own))
        rows = np.zeros((len(images), len(images.classes)), np.float32)
        sources = images.subset(own).sources
        predictions = teacher.predict_many(sources, plan=settings.teacher_plan, top=1, on_error="raise")
        for index, prediction in zip(own, predictions, strict=True):
            rows[index] = np.log(np.maximum(prediction.uncalibrated[order], _SMALLEST))
            on_image()
    if process.world > 1:  # every row is zero in all processes but one
        rows = process.total(torch.from_numpy(rows).to(device)).cpu().numpy()
    if process.writes:
        content = io.BytesIO()
        np.savez(content, logits=rows, key=np.array(key))
        write_atomically(cache, content.getvalue())
    return Teacher(rows, settings)


def _read(cache: Path, key: str) -> npt.NDArray[np.float32]:
    try:
        with np.load(io.BytesIO(read_regular_file(cache, max_bytes=_MAX_BYTES, error=DataError))) as document:
            found, rows = str(document["key"]), document["logits"]
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise DataError(
            f"{cache}: is damaged; delete it, and the teacher predicts again ({quote(str(error))})"
        ) from None
    if found != key:
        raise DataError(
            f"{cache}: has the predictions of another teacher, or for other images; give the same to continue the run, "
            f"or choose another `run` folder"
        )
    predicted: npt.NDArray[np.float32] = rows
    return predicted


def _open(paths: tuple[str, ...], classes: tuple[str, ...]) -> Ensemble:
    """The teachers as one. Raises DataError if one of them has other classes than the images, or several labels."""
    members = []
    for path in paths:
        members.append(Classifier(path))
        if members[-1].info.task == "multi-label":
            raise DataError(f"{path}: a teacher must have one label for each image; it has several")
        _check_classes(members[-1].labels, classes, name=path)
    return Ensemble(members)


def _check_classes(labels: tuple[str, ...], classes: tuple[str, ...], *, name: str) -> None:
    if set(labels) != set(classes):
        missing, extra = sorted(set(classes) - set(labels)), sorted(set(labels) - set(classes))
        problem = (
            f"does not have the {listed(map(quote, missing), most=3)} of the images"
            if missing
            else f"also has {listed(map(quote, extra), most=3)}, which the images do not have"
        )
        raise DataError(f"{name}: a teacher must have the classes of the images; it {problem}")
