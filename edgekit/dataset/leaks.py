"""Images that are in the training and in the validation set: an accuracy that counts them is too high."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from edgekit.dataset.image_set import ImageSet
from edgekit.errors import DataError, DataWarning, ImageError, listed, quote
from edgekit.image.color_modes import Color
from edgekit.image.decode_limits import DEFAULT_LIMITS
from edgekit.image.load import load_image
from edgekit.image.source import ImageSource, StoredImage

_PIECE_BYTES = 2**20
# Pixels of a fingerprint in each direction: 0.010 ms for a photo of 500x375, which takes 1.4 ms to decode. All of its
# pixels would take 0.6 ms.
_SAMPLED = 32


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


def fingerprint(pixels: Image.Image) -> bytes:
    """Return 16 bytes that are equal for equal pixels, and hardly ever for others: a hash of some of the pixels.

    Args:
        pixels: upright, in the color mode that the network sees.
    """
    digest = hashlib.blake2b(f"{pixels.mode} {pixels.size}".encode(), digest_size=16)
    sample = (min(pixels.width, _SAMPLED), min(pixels.height, _SAMPLED))
    digest.update((pixels if sample == pixels.size else pixels.resize(sample, Image.Resampling.NEAREST)).tobytes())
    return digest.digest()


def pixel_digest(pixels: Image.Image) -> bytes:
    """Return the SHA-256 of the size and all pixels of an image: equal for equal images of one color mode."""
    return hashlib.sha256(f"{pixels.size}".encode() + pixels.tobytes()).digest()


def find_pixel_leaks(
    training: ImageSet, validation: ImageSet, *, fingerprints: tuple[Sequence[bytes], Sequence[bytes]], color: Color
) -> tuple[Leak, ...]:
    """Find validation images with the same pixels as a training image, however their files store them.

    Only images with equal fingerprints are decoded, and all of their pixels compared.

    Args:
        training: the images that a network learns from.
        validation: the images that it is judged by.
        fingerprints: of the training images and of the validation images, from `fingerprint`.
        color: mode in which the network sees the images, "RGB" or "L".

    Returns:
        One leak for each validation image that has a twin.
    """
    common = set(fingerprints[0]).intersection(fingerprints[1])
    twins: dict[bytes, int] = {}
    for i, digest in _pixel_digests(training, fingerprints[0], common, color):
        twins.setdefault(digest, i)
    return tuple(
        Leak(training.names[twins[digest]], validation.names[i])
        for i, digest in _pixel_digests(validation, fingerprints[1], common, color)
        if digest in twins
    )


def check_leaks(leaks: Iterable[Leak], *, count: int, allowed: bool = False) -> None:
    """Raise DataError if there are leaks, or warn of them if they are allowed.

    Args:
        leaks: from `find_leaks` or `find_pixel_leaks`.
        count: number of validation images.
        allowed: whether only to warn.
    """
    found = tuple(leaks)
    if not found:
        return
    message = (
        f"{len(found)} of {count} val images are also training images, which makes the measured accuracy too high: "
        f"{listed(map(str, found), most=3)}"
    )
    if not allowed:
        raise DataError(f"{message}; remove them, or set `allow_leaks` to accept that")
    warnings.warn(message, DataWarning, stacklevel=2)


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
    if isinstance(source, StoredImage):
        return source.size_bytes
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
    elif isinstance(source, StoredImage):
        try:
            digest.update(source.read_bytes(max_bytes=DEFAULT_LIMITS.max_bytes))
        except ImageError:
            return None
    elif isinstance(source, str | os.PathLike):
        try:
            with open(source, "rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    digest.update(piece)
        except OSError:
            return None
    return digest.digest()


def _pixel_digests(
    images: ImageSet, fingerprints: Sequence[bytes], wanted: set[bytes], color: Color
) -> Iterator[tuple[int, bytes]]:
    """Index and SHA-256 of all pixels of the images that have one of the fingerprints."""
    for i, value in enumerate(fingerprints):
        if value in wanted:
            try:
                pixels = load_image(images.sources[i], color=color).pixels
            except ImageError:  # deleted since its fingerprint was taken; training reports that
                continue
            yield i, pixel_digest(pixels)
