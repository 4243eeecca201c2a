"""The audit of a data set: what is in it, and what is probably wrong with it. Nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekit.audit.cross_validation import FOLDS
from edgekit.audit.doubts import Doubts, find_doubts
from edgekit.audit.duplicates import DuplicateGroup, find_duplicates
from edgekit.audit.label_issues import LabelIssue
from edgekit.audit.outliers import Outlier
from edgekit.audit.survey import Survey, survey_images
from edgekit.dataset import ImageSet, read_splits
from edgekit.dataset.splits import ALL
from edgekit.errors import DataError, SpecError, check_types, must_be
from edgekit.runtime.classifier import Classifier
from edgekit.stages import StageProgress, no_progress, step_counter

if TYPE_CHECKING:
    from edgekit.runtime.classifier import ModelSource

_NO_MODEL = "labels and outliers are not judged, because no model was given"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audit:
    """What an audit found.

    Attributes:
        data: name of the data set.
        splits: the images by split, unreadable ones included.
        survey: the readable images, which the indexes of all findings refer to.
        duplicates: groups of equal or nearly equal images: those across splits first, then those across classes.
        label_issues: the images whose labels were judged, the most doubtful first; empty if none were.
        outliers: the images by how far they are from all classes, the farthest first; empty if none were judged.
        unjudged: what was not judged, or not well, and why; empty if everything was.
        model: name of the network whose logits served as features; None without one.
    """

    data: str
    splits: Mapping[str, ImageSet]
    survey: Survey
    duplicates: tuple[DuplicateGroup, ...]
    label_issues: tuple[LabelIssue, ...]
    outliers: tuple[Outlier, ...]
    unjudged: tuple[str, ...]
    model: str | None

    @property
    def suspicious(self) -> tuple[LabelIssue, ...]:
        """The label issues that confident learning disputes."""
        return tuple(issue for issue in self.label_issues if issue.is_suspicious)

    @property
    def clear_outliers(self) -> tuple[Outlier, ...]:
        """The outliers beyond the fence."""
        return tuple(outlier for outlier in self.outliers if outlier.is_outlier)

    def label_text(self, labels: tuple[int, ...]) -> str:
        """The names of labels, separated by "|" as in tables; "none" for no label.

        Args:
            labels: class indexes.
        """
        return "|".join(self.survey.images.classes[label] for label in labels) or "none"

    def labels_of(self, image: int) -> tuple[int, ...]:
        """The class indexes of a readable image; none if the data set has no classes.

        Args:
            image: index of the image in `survey.images`.
        """
        images = self.survey.images
        if images.label_sets is not None:
            return images.label_sets[image]
        return (images.labels[image],) if images.classes else ()


def audit(
    data: str | os.PathLike[str] | ImageSet | Mapping[str, ImageSet],
    *,
    model: ModelSource | None = None,
    threads: int | None = None,
    seed: int = 0,
    name: str | None = None,
    progress: StageProgress = no_progress,
) -> Audit:
    """Look for what is wrong with a data set: unreadable files, duplicates, suspicious labels, outliers.

    Args:
        data: a data set as in `dataset.read_splits`, the result of that, or a single set of images.
        model: the network whose logits are the features by which labels and outliers are judged: a file, the name of a
            model, or bytes. Without one, neither is judged.
        threads: CPU threads, 1 to 256; by default the cores available to this process.
        seed: of the folds of the cross-validation; same seed, same result.
        name: of the data set, for reports; by default from its path.
        progress: called with each stage, the number of its finished steps and their total.

    Raises:
        DataError: the data set cannot be read.
        ArtifactError: the model is not found, not an edgekit artifact, or fails.
        SpecError: an argument is not valid.

    Example:
        >>> from edgekit.audit import audit
        >>> found = audit("photos", model="model.onnx")
        >>> len(found.survey.images), len(found.survey.unreadable)
        (240, 0)
    """
    check_types(str | os.PathLike | ImageSet | Mapping, data=data)
    check_types(str | None, name=name)
    check_types(int | np.integer, seed=seed)
    if seed < 0:
        raise SpecError(must_be("seed", "an integer from 0", seed))
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= 256):
        raise SpecError(must_be("threads", "an integer from 1 to 256", threads))
    splits = _splits(data)
    total = sum(map(len, splits.values()))
    if not total:
        raise DataError("there are no images to audit")
    classifier = None if model is None else Classifier(model, threads=1)
    on_image = step_counter(progress, "reading images", total)
    survey = survey_images(splits, classifier, threads=threads, on_image=on_image)
    duplicates = find_duplicates(
        survey,
        on_block=lambda done, of: progress("comparing thumbnails", done, of),
        on_compared=lambda done, of: progress("comparing pixels", done, of),
    )
    if classifier is None:
        doubts = Doubts(unjudged=(_NO_MODEL,))
    else:
        doubts = find_doubts(survey, duplicates, seed=seed, on_fold=step_counter(progress, "judging labels", FOLDS))
    return Audit(
        data=name or (os.fspath(data) if isinstance(data, str | os.PathLike) else "images"),
        splits=splits,
        survey=survey,
        duplicates=duplicates,
        label_issues=doubts.label_issues,
        outliers=doubts.outliers,
        unjudged=doubts.unjudged,
        model=None if classifier is None else classifier.info.model,
    )


def _splits(data: str | os.PathLike[str] | ImageSet | Mapping[str, ImageSet]) -> Mapping[str, ImageSet]:
    if isinstance(data, str | os.PathLike):
        return read_splits(data)
    if isinstance(data, ImageSet):
        return {ALL: data}
    for images in data.values():
        check_types(ImageSet, data=images)
    if len({(images.classes, images.task) for images in data.values()}) > 1:
        raise SpecError("`data` must be image sets that all have the same classes")
    return data
