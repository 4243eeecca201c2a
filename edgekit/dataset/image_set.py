"""A set of pictures with their classes."""

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
class PictureSet:
    """Pictures with their classes.

    classes: names, in the order of their indexes. sources: what image.load takes, one per picture. names: one per
    picture, for messages. labels: class indexes, one per picture.
    """

    classes: tuple[str, ...]
    sources: Sequence[ImageSource]
    names: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.sources)

    def subset(self, indexes: Iterable[int]) -> PictureSet:
        """The pictures of these indexes, in this order, with the same classes."""
        picked = list(indexes)
        return PictureSet(
            self.classes,
            [self.sources[i] for i in picked],
            tuple(self.names[i] for i in picked),
            tuple(self.labels[i] for i in picked),
        )

    def fingerprint(self) -> str:
        """The SHA-256 of its classes, and of every picture's name and label in their order; not of the pixels."""
        said = json.dumps([self.classes, self.names, self.labels], ensure_ascii=True)
        return sha256(said.encode())

    def sample(self, count: int, *, seed: int) -> PictureSet:
        """At most `count` pictures, drawn without replacement by the seed, in their own order."""
        count = min(count, len(self))
        return self.subset(sorted(np.random.default_rng(seed).choice(len(self), count, replace=False).tolist()))
