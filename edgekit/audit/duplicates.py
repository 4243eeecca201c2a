"""Groups of images that are equal, or nearly so: across splits first, then across classes, then the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.audit.near_duplicates import Link, find_near_duplicates, is_blank
from edgekit.audit.survey import Survey
from edgekit.dataset.leaks import pixel_digest
from edgekit.errors import ImageError
from edgekit.image.load import load_image

_MAYBE_EQUAL = 0.98  # similarity from which all pixels are compared; decoders differ by less


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateGroup:
    """Images that show the same.

    Attributes:
        images: indexes of the images, ascending.
        is_exact: whether they have exactly the same pixels, however their files store them.
        similarity: of the least similar ones that hold the group together, up to 1.
        is_mirrored: whether some are mirror images of others.
        is_cropped: whether some show only a part of others.
        spans_splits: whether they are in several splits: an accuracy that counts them is too high.
        spans_classes: whether they have different labels: at most one can be right.
    """

    images: tuple[int, ...]
    is_exact: bool
    similarity: float
    is_mirrored: bool
    is_cropped: bool
    spans_splits: bool
    spans_classes: bool


def find_duplicates(
    survey: Survey,
    *,
    on_block: Callable[[int, int], None] = lambda done, total: None,
    on_compared: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[DuplicateGroup, ...]:
    """Find exact and near duplicates. An image may be in a group of each kind.

    Args:
        survey: the images.
        on_block: called with the number of images whose thumbnails were compared, and of all.
        on_compared: called with the number of images whose pixels were compared, and of all to compare.
    """
    links = find_near_duplicates(survey.thumbnails, on_block=on_block)
    exact = _exact_links(survey, links, on_compared)
    exact_groups = _components(exact)
    number = {image: n for n, group in enumerate(exact_groups) for image in group}
    groups = [_group(survey, group, [], is_exact=True) for group in exact_groups]
    near_groups, of_group = _components([*links, *exact]), defaultdict(list)
    component = {image: n for n, group in enumerate(near_groups) for image in group}
    for link in links:
        of_group[component[link.first]].append(link)
    for n, images in enumerate(near_groups):
        if len({number.get(image, -1 - image) for image in images}) > 1:
            groups.append(_group(survey, images, of_group[n], is_exact=False))
    return tuple(sorted(groups, key=_rank))


def _rank(group: DuplicateGroup) -> tuple[bool, bool, bool, float, tuple[int, ...]]:
    return not group.spans_splits, not group.spans_classes, not group.is_exact, -group.similarity, group.images


def _exact_links(survey: Survey, links: Sequence[Link], on_compared: Callable[[int, int], None]) -> list[Link]:
    """A link from each image to the first one with the same pixels."""
    sizes = survey.sizes
    maybe = {
        image
        for link in links
        if link.similarity >= _MAYBE_EQUAL and not link.is_mirrored and not link.is_cropped
        if (sizes[link.first] == sizes[link.second]).all()
        for image in (link.first, link.second)
    }
    maybe.update(np.flatnonzero(is_blank(survey.thumbnails)).tolist())
    first: dict[bytes, int] = {}
    found = []
    for done, image in enumerate(sorted(maybe), 1):
        try:
            digest = pixel_digest(load_image(survey.images.sources[image]).pixels)
        except ImageError:  # too large to decode in full, or deleted since
            continue
        finally:
            on_compared(done, len(maybe))
        twin = first.setdefault(digest, image)
        if twin != image:
            found.append(Link(twin, image, 1.0))
    return found


def _components(links: Iterable[Link]) -> list[tuple[int, ...]]:
    """The images that links connect, each component ascending."""
    parent: dict[int, int] = {}

    def root(image: int) -> int:
        while parent.setdefault(image, image) != image:
            parent[image] = parent[parent[image]]
            image = parent[image]
        return image

    for link in links:
        parent[root(link.second)] = root(link.first)
    members = defaultdict(list)
    for image in sorted(parent):
        members[root(image)].append(image)
    return [tuple(images) for images in members.values()]


def _group(survey: Survey, images: tuple[int, ...], links: Sequence[Link], *, is_exact: bool) -> DuplicateGroup:
    labels = survey.images.labels if survey.images.label_sets is None else survey.images.label_sets
    return DuplicateGroup(
        images=images,
        is_exact=is_exact,
        similarity=min((link.similarity for link in links), default=1.0),
        is_mirrored=any(link.is_mirrored for link in links),
        is_cropped=any(link.is_cropped for link in links),
        spans_splits=len({survey.splits[image] for image in images}) > 1,
        spans_classes=len({labels[image] for image in images}) > 1,
    )
