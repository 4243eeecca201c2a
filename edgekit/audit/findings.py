"""What an audit found, in sentences, the most harmful first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from edgekit.audit.data_audit import Audit
from edgekit.audit.near_duplicates import is_blank
from edgekit.dataset.splits import ALL
from edgekit.errors import listed, quote

IMBALANCED = 10  # times as many images in the largest class as in the smallest
_MOST_NAMES = 3


def findings(audit: Audit) -> tuple[str, ...]:
    """The findings, one sentence each; none if nothing is wrong.

    Args:
        audit: the result of `audit`.
    """
    return (*_of_files(audit), *_of_duplicates(audit), *_of_classes(audit), *_of_doubts(audit))


def images_also_in(audit: Audit, split: str, other: str, *, exact: bool) -> int:
    """The number of images of one split of which another has a copy.

    Args:
        audit: the result of `audit`.
        split: whose images are counted.
        other: where the copies are.
        exact: whether only copies with equal pixels count; otherwise near duplicates do too.
    """
    splits = audit.survey.splits
    found: set[int] = set()
    for group in audit.duplicates:
        if (group.is_exact or not exact) and any(splits[image] == other for image in group.images):
            found.update(image for image in group.images if splits[image] == split)
    return len(found)


def _of_files(audit: Audit) -> Iterator[str]:
    count = len(audit.survey.unreadable)
    if count:
        yield f"{count} of {sum(map(len, audit.splits.values()))} files cannot be read"
    blank = int(is_blank(audit.survey.thumbnails).sum())
    if blank:
        yield f"{_images(blank)} of a single color"


def _of_duplicates(audit: Audit) -> Iterator[str]:
    for first, other in combinations(audit.splits, 2):
        total = len(audit.splits[other])
        copies, exact = (images_also_in(audit, other, first, exact=only) for only in (False, True))
        if exact:
            yield f"{exact} of {total} {other} images are also in {first}: the measured accuracy is too high"
        if copies > exact:
            yield (
                f"{copies - exact} of {total} {other} images are near duplicates of {first} images: the measured "
                "accuracy may be too high"
            )
    conflicts = sum(group.spans_classes for group in audit.duplicates)
    if conflicts:
        yield f"{_groups(conflicts)} of duplicates with different labels: at most one can be right"
    within = [g for g in audit.duplicates if not (g.spans_splits or g.spans_classes)]
    if within:
        images = len({image for group in within for image in group.images})
        yield f"{_groups(len(within))} of duplicates with the same label, {images} images in all"


def _of_classes(audit: Audit) -> Iterator[str]:
    classes = audit.survey.images.classes
    if not classes:
        return
    counts = {split: images.class_counts() for split, images in audit.splits.items()}
    for split, numbers in counts.items():
        absent = [quote(classes[n]) for n in np.flatnonzero(numbers == 0)]
        if absent:
            yield f"no {_images_of(split)} of {listed(absent, most=_MOST_NAMES)}"
    first, numbers = next(iter(counts.items()))
    present = numbers[numbers > 0]
    if len(present) > 1 and present.max() >= IMBALANCED * present.min():
        most, least = int(numbers.argmax()), int(np.flatnonzero(numbers == present.min())[0])
        yield (
            f"imbalanced classes: {quote(classes[most])} has {numbers[most]} {_images_of(first)}, "
            f"{quote(classes[least])} {numbers[least]}"
        )
    elif len(classes) == 1:
        yield f"only one class: {quote(classes[0])}"


def _of_doubts(audit: Audit) -> Iterator[str]:
    suspicious, outliers = len(audit.suspicious), len(audit.clear_outliers)
    if suspicious:
        yield f"{suspicious} of {len(audit.label_issues)} labels {'is' if suspicious == 1 else 'are'} suspicious"
    if outliers:
        what = "no class" if len(audit.survey.images.classes) > 1 else "no other image"
        yield f"{_images(outliers)} {'looks' if outliers == 1 else 'look'} like {what}"


def _images_of(split: str) -> str:
    return "images" if split == ALL else f"{split} images"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _groups(count: int) -> str:
    return "1 group" if count == 1 else f"{count} groups"
