"""Images that are in the training and in the validation set: an accuracy that counts them is too high."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from edgekit.dataset.image_set import ImageSet
from edgekit.errors import DataError, listed, quote
from edgekit.image.source import ImageSource

_PIECE_BYTES = 2**20


class Leak(NamedTuple):
    """An image of the validation set that is also in the training set.

    Attributes:
        training: name of the training image.
        validation: name of the validation image.
    """

    training: str
    validation: str

    def __str__(self) -> str:
        return f"{quote(self.validation)} = {quote(self.training)}"


def find_leaks(training: ImageSet, validation: ImageSet) -> tuple[Leak, ...]:
    """Find validation images whose files have the same bytes as a training image.

    Only files of equal size are read. Files that cannot be read are left to the command that decodes them.

    Args:
        training: the images that a network learns from.
        validation: the images that it is judged by.

    Returns:
        One leak for each validation image that has a twin.
    """
    training_sizes, validation_sizes = _by_size(training.sources), _by_size(validation.sources)
    leaks = []
    for size in training_sizes.keys() & validation_sizes.keys():
        twins = {_digest(training.sources[i]): i for i in reversed(training_sizes[size])}
        for i in validation_sizes[size]:
            twin = twins.get(_digest(validation.sources[i]))
            if twin is not None:
                leaks.append((i, Leak(training.names[twin], validation.names[i])))
    return tuple(leak for _, leak in sorted(leaks))


def require_no_leaks(leaks: Iterable[Leak], *, count: int) -> None:
    """Raise DataError if there are leaks.

    Args:
        leaks: from `find_leaks`.
        count: number of validation images.
    """
    found = tuple(leaks)
    if found:
        raise DataError(
            f"{len(found)} of {count} val images are also training images, which makes the measured accuracy too high: "
            f"{listed(map(str, found), most=3)}; remove them, or set `allow_leaks` to accept that"
        )


def _by_size(sources: Iterable[ImageSource]) -> Mapping[int, list[int]]:
    """The indexes of the sources by size in bytes."""
    sizes: dict[int, list[int]] = defaultdict(list)
    for index, source in enumerate(sources):
        size = _size_bytes(source)
        if size:
            sizes[size].append(index)
    return sizes


def _size_bytes(source: ImageSource) -> int | None:
    if isinstance(source, np.ndarray):
        return source.nbytes
    if isinstance(source, bytes):
        return len(source)
    try:
        return os.stat(source).st_size if isinstance(source, str | os.PathLike) else None  # noqa: PTH116
    except OSError:
        return None


def _digest(source: ImageSource) -> bytes | None:
    """SHA-256 of the bytes, for arrays of shape and values; None if they cannot be read."""
    digest = hashlib.sha256()
    if isinstance(source, np.ndarray):
        digest.update(f"{source.shape}".encode())
        digest.update(np.ascontiguousarray(source).data)
    elif isinstance(source, bytes):
        digest.update(source)
    elif isinstance(source, str | os.PathLike):
        try:
            with open(source, "rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    digest.update(piece)
        except OSError:
            return None
    return digest.digest()
