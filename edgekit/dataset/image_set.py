"""Labeled images."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgekit.files import sha256
from edgekit.image.source import ImageSource


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
    """A sequence of images with their classes.

    Attributes:
        classes: class names, in the order of their indexes.
        sources: what `load_image` accepts, one per image.
        names: of the images, for messages and reports; one per image.
        labels: class indexes into `classes`, one per image.

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
            tuple(self.labels[i] for i in order),
        )

    def fingerprint(self) -> str:
        """Return the SHA-256 of the classes, names and labels as a hexadecimal string. Pixels are not included."""
        return sha256(json.dumps([self.classes, self.names, self.labels], ensure_ascii=True).encode())

    def sample(self, count: int, *, seed: int) -> ImageSet:
        """Draw at most `count` images without replacement, and return them in their original order.

        Args:
            count: number of images; all are returned if there are fewer.
            seed: same seed, same images.
        """
        count = min(count, len(self))
        return self.subset(sorted(np.random.default_rng(seed).choice(len(self), count, replace=False).tolist()))
