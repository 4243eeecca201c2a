"""A set of images with their classes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgekit.files import sha256
from edgekit.image.source import ImageSource


class Unreadable(NamedTuple):
    """An image that cannot be read, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return self.reason if self.reason.startswith(self.name) else f"{self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Images with their classes.

    classes: names, in the order of their indexes. sources: what load_image accepts, one per image. names: one per
    image, for messages. labels: class indexes, one per image.
    """

    classes: tuple[str, ...]
    sources: Sequence[ImageSource]
    names: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.sources)

    def subset(self, indexes: Iterable[int]) -> ImageSet:
        """The images of these indexes, in this order, with the same classes."""
        order = list(indexes)
        return ImageSet(
            self.classes,
            [self.sources[i] for i in order],
            tuple(self.names[i] for i in order),
            tuple(self.labels[i] for i in order),
        )

    def fingerprint(self) -> str:
        """The SHA-256 of its classes, and of every image's name and label in their order; not of the pixels."""
        return sha256(json.dumps([self.classes, self.names, self.labels], ensure_ascii=True).encode())

    def sample(self, count: int, *, seed: int) -> ImageSet:
        """At most `count` images, drawn without replacement by the seed, in their own order."""
        count = min(count, len(self))
        return self.subset(sorted(np.random.default_rng(seed).choice(len(self), count, replace=False).tolist()))
