"""Read every image of a data set once before work starts: what is in it, and which images cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from edgekit.dataset import ImageSet, Unreadable
from edgekit.errors import DataError, ImageError, listed
from edgekit.image.load import load_image
from edgekit.image.size import Size
from edgekit.preprocess.spec import Preprocess

_IMAGES_PER_TASK = 64
_THREADS = 4  # decoding releases the interpreter's lock


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenedImages:
    """An image set without what cannot be read.

    counts: images of each class, in the order of the classes. mean_size, smallest, largest: of the images, in pixels,
    smallest and largest by their area.
    """

    images: ImageSet
    unreadable: tuple[Unreadable, ...]
    counts: tuple[int, ...]
    mean_size: Size
    smallest: Size
    largest: Size


def screen_images(
    images: ImageSet,
    preprocess: Preprocess,
    *,
    max_bad: int = 0,
    on_image: Callable[[], None] = lambda: None,
) -> ScreenedImages:
    """Decode every image once.

    Raises DataError when more than `max_bad` cannot be read, naming the first of them, or when a class loses all.
    """
    results = _decode_all(images, preprocess, on_image)
    unreadable = tuple(result for result in results if isinstance(result, Unreadable))
    reasons = listed(map(str, unreadable), most=5, separator="; ")
    if len(unreadable) > max_bad:
        raise DataError(
            f"{len(unreadable)} of {len(images)} images cannot be read, and max_bad allows {max_bad}: {reasons}"
        )
    sizes = [result for result in results if isinstance(result, Size)]
    if not sizes:
        raise DataError(f"none of the {len(images)} images can be read: {reasons}")
    readable = (
        images.subset(i for i, result in enumerate(results) if isinstance(result, Size)) if unreadable else images
    )
    counts = tuple(np.bincount(readable.labels, minlength=len(images.classes)).tolist())
    all_counts = np.bincount(images.labels, minlength=len(images.classes))
    for name, count, all_count in zip(images.classes, counts, all_counts, strict=True):
        if all_count and not count:
            raise DataError(f"no image of class {name!r} can be read: {reasons}")
    mean = np.mean(sizes, axis=0)
    return ScreenedImages(
        images=readable,
        unreadable=unreadable,
        counts=counts,
        mean_size=Size(round(mean[0]), round(mean[1])),
        smallest=min(sizes, key=_area),
        largest=max(sizes, key=_area),
    )


def _decode_all(images: ImageSet, preprocess: Preprocess, on_image: Callable[[], None]) -> list[Size | Unreadable]:
    """The size of each image, or why it cannot be read."""

    def decode(index: int) -> Size | Unreadable:
        try:
            return load_image(images.sources[index], color=preprocess.color).size
        except ImageError as error:
            return Unreadable(images.names[index], str(error))

    def decode_task(first: int) -> list[Size | Unreadable]:
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
