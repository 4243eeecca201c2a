"""Screening of a data set: every image is decoded once before training, to count and to find unreadable ones."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgekit.dataset import ImageSet, Unreadable
from edgekit.dataset.leaks import fingerprint
from edgekit.errors import DataError, ImageError, check_types, listed, quote
from edgekit.image.load import load_image
from edgekit.image.size import Size
from edgekit.preprocess.spec import Preprocess

_IMAGES_PER_TASK = 64
_THREADS = 4  # decoding releases the interpreter's lock


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenedImages:
    """The readable images of a data set.

    Attributes:
        images: the readable images.
        unreadable: names of the others, each with the reason.
        counts: number of readable images of each class, in the order of the classes.
        mean_size: mean height and width in pixels.
        smallest: size of the smallest image by area, in pixels.
        largest: size of the largest image by area, in pixels.
        fingerprints: of the pixels of each readable image, to find equal ones (`dataset.leaks.find_pixel_leaks`).
    """

    images: ImageSet
    unreadable: tuple[Unreadable, ...]
    counts: tuple[int, ...]
    mean_size: Size
    smallest: Size
    largest: Size
    fingerprints: tuple[bytes, ...]


class _Decoded(NamedTuple):
    size: Size
    fingerprint: bytes


def screen_images(
    images: ImageSet,
    preprocess: Preprocess,
    *,
    max_bad: int = 0,
    on_image: Callable[[], None] = lambda: None,
) -> ScreenedImages:
    """Decode every image once and leave out those that cannot be read.

    Args:
        images: the data set.
        preprocess: decides in which color mode images are read.
        max_bad: number of unreadable images to leave out before it is an error.
        on_image: called after each image.

    Raises:
        DataError: more than `max_bad` images cannot be read, or no image of some class can be read.

    Example:
        >>> from edgekit import Preprocess, dataset
        >>> from edgekit.train import screen_images
        >>> screened = screen_images(dataset.read("photos", "train"), Preprocess(), max_bad=3)
        >>> screened.counts, screened.unreadable
        ((40, 40, 40), ())
    """
    check_types(ImageSet, images=images)
    check_types(Preprocess, preprocess=preprocess)
    check_types(int | np.integer, max_bad=max_bad)
    results = _decode_all(images, preprocess, on_image)
    unreadable = tuple(result for result in results if isinstance(result, Unreadable))
    reasons = listed(map(str, unreadable), most=5, separator="; ")
    if len(unreadable) > max_bad:
        raise DataError(
            f"{len(unreadable)} of {len(images)} images cannot be read, but `max_bad` is {max_bad}: {reasons}"
        )
    decoded = [result for result in results if isinstance(result, _Decoded)]
    sizes = [image.size for image in decoded]
    if not decoded:
        raise DataError(f"none of the {len(images)} images can be read: {reasons}")
    readable = (
        images.subset(i for i, result in enumerate(results) if isinstance(result, _Decoded)) if unreadable else images
    )
    counts = tuple(readable.class_counts().tolist())
    for name, count, all_count in zip(images.classes, counts, images.class_counts(), strict=True):
        if all_count and not count:
            raise DataError(f"no image of class {quote(name)} can be read: {reasons}")
    mean = np.mean(sizes, axis=0)
    return ScreenedImages(
        images=readable,
        unreadable=unreadable,
        counts=counts,
        mean_size=Size(round(mean[0]), round(mean[1])),
        smallest=min(sizes, key=_area),
        largest=max(sizes, key=_area),
        fingerprints=tuple(image.fingerprint for image in decoded),
    )


def _decode_all(images: ImageSet, preprocess: Preprocess, on_image: Callable[[], None]) -> list[_Decoded | Unreadable]:
    """The size and fingerprint of each image, or why it cannot be read."""

    def decode(index: int) -> _Decoded | Unreadable:
        try:
            image = load_image(images.sources[index], color=preprocess.color)
        except ImageError as error:
            return Unreadable(images.names[index], str(error))
        return _Decoded(image.size, fingerprint(image.pixels))

    def decode_task(first: int) -> list[_Decoded | Unreadable]:
        return [decode(index) for index in range(first, min(first + _IMAGES_PER_TASK, len(images)))]

    results = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for task_results in pool.map(decode_task, range(0, len(images), _IMAGES_PER_TASK)):
            for result in task_results:
                results.append(result)
                on_image()
    return results


def _area(size: Size) -> int:
    return size.height * size.width
