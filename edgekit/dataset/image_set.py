"""Labeled images."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgekit.files import sha256
from edgekit.image.source import ImageSource
from edgekit.preprocess.scores import Task


class Unreadable(NamedTuple):
    """An image that cannot be read.

    Attributes:
        name: of the image.
        reason: why it cannot be read, in one line.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return self.reason if self.reason.startswith(self.name) else f"{self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ImageSet:
    """A sequence of images with their classes: one for each image, or any number of them.

    Attributes:
        classes: class names, in the order of their indexes.
        sources: what `load_image` accepts, one per image.
        names: of the images, for messages and reports; one per image.
        labels: class indexes into `classes`, one per image; empty if there are `label_sets`.
        label_sets: for images with any number of labels: the class indexes of each image, ascending; otherwise None.

    Example:
        >>> from edgekit import dataset
        >>> images = dataset.read("photos", "val")
        >>> images.classes
        ('bolt', 'nut', 'washer')
        >>> len(images.sample(10, seed=0))
        10
    """

    classes: tuple[str, ...]
    sources: Sequence[ImageSource]
    names: tuple[str, ...]
    labels: tuple[int, ...]
    label_sets: tuple[tuple[int, ...], ...] | None = None

    @property
    def task(self) -> Task:
        """The task that the labels are for: "multi-label" if there are `label_sets`, otherwise "single-label"."""
        return "single-label" if self.label_sets is None else "multi-label"

    def truth(self) -> npt.NDArray[np.int64] | npt.NDArray[np.bool_]:
        """Return the labels as an array: int64 (N,) class indexes, or for multi-label bool (N, classes)."""
        if self.label_sets is None:
            return np.array(self.labels, np.int64)
        truth = np.zeros((len(self), len(self.classes)), np.bool_)
        for row, indexes in zip(truth, self.label_sets, strict=True):
            row[list(indexes)] = True
        return truth

    def class_counts(self) -> npt.NDArray[np.int64]:
        """Return the number of images of each class: int64 (classes,)."""
        truth = self.truth()
        return truth.sum(axis=0) if truth.ndim == 2 else np.bincount(truth, minlength=len(self.classes))

    def __len__(self) -> int:
        return len(self.sources)

    def subset(self, indexes: Iterable[int]) -> ImageSet:
        """Return the images at some indexes, in this order, with the same classes.

        Args:
            indexes: of the images, from 0.
        """
        order = list(indexes)
        return ImageSet(
            self.classes,
            [self.sources[i] for i in order],
            tuple(self.names[i] for i in order),
            tuple(self.labels[i] for i in order) if self.label_sets is None else (),
            None if self.label_sets is None else tuple(self.label_sets[i] for i in order),
        )

    def fingerprint(self) -> str:
        """Return the SHA-256 of the classes, names and labels as a hexadecimal string. Pixels are not included."""
        labels = self.labels if self.label_sets is None else self.label_sets
        return sha256(json.dumps([self.classes, self.names, labels], ensure_ascii=True).encode())

    def sample(self, count: int, *, seed: int) -> ImageSet:
        """Draw at most `count` images without replacement, and return them in their original order.

        Args:
            count: number of images; all are returned if there are fewer.
            seed: same seed, same images.
        """
        count = min(count, len(self))
        return self.subset(sorted(np.random.default_rng(seed).choice(len(self), count, replace=False).tolist()))
