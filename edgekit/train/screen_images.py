"""Looking at a data set before work starts: what is in it, and which pictures cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from edgekit.dataset import PictureSet, Unreadable
from edgekit.errors import DataError, ImageError, listed
from edgekit.image.load import load_image
from edgekit.image.size import Size
from edgekit.preprocess.spec import Preprocess

_AT_ONCE = 64
_THREADS = 4  # decoding releases the interpreter's lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A picture set without what cannot be read.

    counts: pictures of each class, in the order of the classes. mean_size, smallest, largest: of the pictures, in
    pixels, smallest and largest by their area.
    """

    pictures: PictureSet
    bad: tuple[Unreadable, ...]
    counts: tuple[int, ...]
    mean_size: Size
    smallest: Size
    largest: Size


def check(
    pictures: PictureSet,
    preprocess: Preprocess,
    *,
    max_bad: int = 0,
    on_picture: Callable[[], None] = lambda: None,
) -> Checked:
    """Decode every picture once.

    Raises DataError when more than `max_bad` cannot be read, naming the first of them, or when a class loses all.
    """
    answers = _decoded(pictures, preprocess, on_picture)
    bad = tuple(answer for answer in answers if isinstance(answer, Unreadable))
    reasons = listed(map(str, bad), separator="; ")
    if len(bad) > max_bad:
        raise DataError(
            f"{len(bad)} of {len(pictures)} pictures cannot be read, and max_bad allows {max_bad}: {reasons}"
        )
    kept = pictures.subset(i for i, answer in enumerate(answers) if isinstance(answer, Size)) if bad else pictures
    sizes = [answer for answer in answers if isinstance(answer, Size)]
    if not sizes:
        raise DataError(f"none of the {len(pictures)} pictures can be read: {reasons}")
    counts = tuple(np.bincount(kept.labels, minlength=len(kept.classes)).tolist())
    before = np.bincount(pictures.labels, minlength=len(kept.classes))
    for name, count, had in zip(kept.classes, counts, before, strict=True):
        if had and not count:
            raise DataError(f"no picture of class {name!r} can be read: {reasons}")
    mean = np.mean(sizes, axis=0)
    return Checked(
        pictures=kept,
        bad=bad,
        counts=counts,
        mean_size=Size(round(mean[0]), round(mean[1])),
        smallest=min(sizes, key=_area),
        largest=max(sizes, key=_area),
    )


def _decoded(pictures: PictureSet, preprocess: Preprocess, on_picture: Callable[[], None]) -> list[Size | Unreadable]:
    def look(index: int) -> Size | Unreadable:
        try:
            return load_image(pictures.sources[index], color=preprocess.color).size
        except ImageError as error:
            return Unreadable(pictures.names[index], str(error))

    def look_at_some(first: int) -> list[Size | Unreadable]:
        return [look(index) for index in range(first, min(first + _AT_ONCE, len(pictures)))]

    answers = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for some in pool.map(look_at_some, range(0, len(pictures), _AT_ONCE)):
            for answer in some:
                answers.append(answer)
                on_picture()
    return answers


def _area(size: Size) -> int:
    return size.height * size.width
