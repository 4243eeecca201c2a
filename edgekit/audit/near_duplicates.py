"""Near duplicates: images that differ by their encoding, size, brightness, mirroring or a slight crop.

Candidates are found by products of descriptors, in blocks: N images cost N x N x 80 multiplications, which is seconds
for 50,000 images. Each candidate is then compared with more frequencies, and if that does not suffice, for many crops
of either image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgekit.audit.descriptors import Descriptors, Floats, Transform, Whitening, similarity, whitening
from edgekit.audit.survey import SIDE

# Frequencies of the search, and of the comparison of a candidate.
_COARSE, _FINE = 8, 16
# Similarity from which a pair is a candidate, and from which it is a near duplicate; docs/guides/data.md shows what it
# finds. No two of 500 photographs of different things reach 0.7.
_CANDIDATE, _NEAR, _NEAR_IF_CROPPED = 0.5, 0.95, 0.88
_MOST_NEIGHBORS = 8  # candidates of one image: groups stay connected, and a still camera does not fill the memory
_MOST_CROPPED = 20_000  # candidates that are compared by crops, the most similar ones
_BLOCK = 1024
_PAIRS = 128  # compared by crops at a time
_KEPT_SHARES, _OFFSETS = (0.95, 0.9, 0.85, 0.8), (0.0, 0.5, 1.0)  # what a crop keeps of one direction, and where
# A crop, aligned with its image, has the same brightness and contrast. Another photo of a thing on a plain ground has
# not, mostly: of 240 drawings of three things, this leaves 41 of 303 pairs that seem to be crops.
_SAME_BRIGHTNESS, _SAME_CONTRAST, _TINY = 0.03, 0.15, 1e-6
_BLANK = 3  # gray levels between the darkest and the brightest pixel of an image that shows nothing


class Link(NamedTuple):
    """Two images that are near duplicates.

    Attributes:
        first: index of one image.
        second: index of the other one, greater than `first`.
        similarity: of their descriptors, up to 1.
        is_mirrored: whether one is the other's mirror image.
        is_cropped: whether one shows only a part of the other.
    """

    first: int
    second: int
    similarity: float
    is_mirrored: bool = False
    is_cropped: bool = False


def is_blank(thumbnails: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Whether images are of one color, as far as thumbnails (N, 32, 32) show: bool (N,)."""
    flat = thumbnails.reshape(-1, SIDE * SIDE)
    return np.asarray(np.ptp(flat, axis=1) < _BLANK)


def find_near_duplicates(
    thumbnails: npt.NDArray[np.uint8], *, on_block: Callable[[int, int], None] = lambda done, total: None
) -> list[Link]:
    """Find pairs of near duplicates; of many alike images, those that connect them.

    Blank images are compared with none.

    Args:
        thumbnails: uint8 (N, 32, 32).
        on_block: called with the number of compared images and of all.
    """
    indexes = np.flatnonzero(~is_blank(thumbnails))
    if len(indexes) < 2:
        return []
    flat = thumbnails[indexes].reshape(len(indexes), -1)
    _, first, group = np.unique(flat, axis=0, return_index=True, return_inverse=True)
    group = group.reshape(-1)  # numpy 2.0 returns a column
    equal = [Link(int(indexes[first[g]]), int(i), 1.0) for i, g in zip(indexes, group, strict=True)]
    links = [link for link in equal if link.first != link.second]
    order = np.sort(first)
    links += [
        link._replace(first=int(indexes[order[link.first]]), second=int(indexes[order[link.second]]))
        for link in _links_of_distinct(flat[order].reshape(-1, SIDE, SIDE), on_block)
    ]
    return sorted(links)


def _links_of_distinct(thumbnails: npt.NDArray[np.uint8], on_block: Callable[[int, int], None]) -> list[Link]:
    coarse, fine = Transform(_COARSE), Transform(_FINE)
    pixels: Floats = (thumbnails / 255).astype(np.float32)
    parts, fine_parts = coarse.of(pixels), fine.of(pixels)
    coarse_whitening, fine_whitening = whitening(*parts), whitening(*fine_parts)
    candidates = _candidates(coarse_whitening.descriptors(*parts), on_block)
    if not len(candidates):
        return []
    first, second, mirrored = candidates[:, 0].astype(int), candidates[:, 1].astype(int), candidates[:, 3] < 0
    whole = fine_whitening.descriptors(*fine_parts)
    values = similarity(whole.at(first), whole.at(second), np.where(mirrored, -1, 1))
    near = values >= _NEAR
    links = [Link(int(first[n]), int(second[n]), float(values[n]), bool(mirrored[n])) for n in np.flatnonzero(near)]
    doubtful = np.flatnonzero(~near)
    doubtful = doubtful[np.argsort(-candidates[doubtful, 2], kind="stable")][:_MOST_CROPPED]
    crops = _Crops(coarse, fine, coarse_whitening, fine_whitening)
    for start in range(0, len(doubtful), _PAIRS):
        pairs = doubtful[start : start + _PAIRS]
        one, other = pixels[first[pairs]], pixels[second[pairs]]
        other = np.where(mirrored[pairs, None, None], other[:, :, ::-1], other)
        aligned = np.maximum(crops.best_similarity(one, other), crops.best_similarity(other, one))
        links += [
            Link(int(first[n]), int(second[n]), float(value), bool(mirrored[n]), is_cropped=True)
            for n, value in zip(pairs, aligned, strict=True)
            if value >= _NEAR_IF_CROPPED
        ]
    return links


def _candidates(descriptors: Descriptors, on_block: Callable[[int, int], None]) -> npt.NDArray[np.float64]:
    """Rows of first index, second index, similarity, and 1 or, if they are alike when mirrored, -1."""
    count, blocks = len(descriptors.even), []
    for start in range(0, count, _BLOCK):
        rows = slice(start, min(start + _BLOCK, count))
        even = descriptors.even[rows] @ descriptors.even[start:].T
        odd = descriptors.odd[rows] @ descriptors.odd[start:].T
        even += np.abs(odd)
        even[np.tril_indices(len(even), 0, even.shape[1])] = 0  # each pair once
        row, column = np.nonzero(even >= _CANDIDATE)
        values, signs = even[row, column], np.where(odd[row, column] < 0, -1, 1)
        kept = _most_similar(row, values)
        blocks.append(np.stack([start + row, start + column, values, signs], axis=1)[kept].astype(np.float64))
        on_block(rows.stop, count)
    return np.concatenate(blocks)


def _most_similar(row: npt.NDArray[np.intp], values: Floats) -> npt.NDArray[np.intp]:
    """The indexes of the most similar candidates of each row; rows are ascending."""
    order = np.lexsort((-values, row))
    ranks = np.arange(len(row)) - np.searchsorted(row[order], row[order])
    return np.asarray(np.sort(order[ranks < _MOST_NEIGHBORS]))


class _Crops:
    """Compares crops of one image with another image."""

    def __init__(
        self, coarse: Transform, fine: Transform, coarse_whitening: Whitening, fine_whitening: Whitening
    ) -> None:
        self._coarse, self._fine = coarse, fine
        self._coarse_whitening, self._fine_whitening = coarse_whitening, fine_whitening
        self._cuts = np.stack(list(_cuts()))
        shares = [1.0, *np.repeat(_KEPT_SHARES, len(_OFFSETS))]  # both directions are cut alike, or only one
        self._horizontal = [[n for n, s in enumerate(shares) if s == share or 1.0 in (s, share)] for share in shares]

    def best_similarity(self, cropped: Floats, whole: Floats) -> Floats:
        """The similarity of the best crop of the first images (N, 32, 32), 0 to 1, to the second ones: float32 (N,)."""
        matrices = self._coarse.matrix @ self._cuts  # cutting and transforming in one step
        target = self._coarse_whitening.descriptors(*self._coarse.of(whole))
        best, choice = np.full(len(cropped), -1, np.float32), np.zeros((len(cropped), 2), int)
        for vertical in range(len(matrices)):
            rows = matrices[vertical] @ cropped
            for horizontal in self._horizontal[vertical]:
                parts = self._coarse.parts(rows @ matrices[horizontal].T)
                values = similarity(self._coarse_whitening.descriptors(*parts), target)
                better = values > best
                best[better], choice[better] = values[better], (vertical, horizontal)
        rows, columns = self._cuts[choice[:, 0]], self._cuts[choice[:, 1]]
        part = np.asarray(rows @ cropped @ columns.transpose(0, 2, 1), np.float32)
        whiten = self._fine_whitening.descriptors
        fine = similarity(whiten(*self._fine.of(part)), whiten(*self._fine.of(whole)))
        return np.where(_have_same_levels(part, whole), fine, np.float32(-1))


def _have_same_levels(part: Floats, whole: Floats) -> npt.NDArray[np.bool_]:
    """Whether images (N, 32, 32) have the same brightness and contrast, which a crop keeps."""
    brightness = np.abs(part.mean(axis=(1, 2)) - whole.mean(axis=(1, 2)))
    ratio = (part.std(axis=(1, 2)) + _TINY) / (whole.std(axis=(1, 2)) + _TINY)
    return np.asarray((brightness <= _SAME_BRIGHTNESS) & (np.abs(np.log(ratio)) <= _SAME_CONTRAST))


def _cuts() -> Iterator[Floats]:
    """Matrices (32, 32) that cut a part out of a line of pixels and enlarge it to the whole line, by interpolation."""
    yield np.eye(SIDE, dtype=np.float32)
    for share, offset in product(_KEPT_SHARES, _OFFSETS):
        places = (np.arange(SIDE) + 0.5) * share + offset * SIDE * (1 - share) - 0.5
        distance = np.abs(np.clip(places, 0, SIDE - 1)[:, None] - np.arange(SIDE))
        yield np.maximum(1 - distance, 0).astype(np.float32)
