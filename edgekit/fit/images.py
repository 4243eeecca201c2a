"""The images of a search: some of the training images are held out to choose by, the val images only measure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from edgekit import dataset
from edgekit.dataset import ImageSet
from edgekit.dataset.leaks import check_leaks, find_leaks, find_pixel_leaks
from edgekit.errors import DataError
from edgekit.files import sha256
from edgekit.image.load import load_image
from edgekit.preprocess.spec import Preprocess
from edgekit.stages import StageProgress, step_counter
from edgekit.train.screen_images import screen_images

_COLOR_SAMPLE = 64  # images
_GRAY_LEVELS = 16  # by which JPEG compression moves the channels of a gray image apart
# Of the training images: at most a quarter, at least a twentieth, and within these bounds as many as tell candidates
# apart that differ by two or three percentage points.
_MOST_SHARE, _LEAST_SHARE, _ENOUGH, _MOST = 0.25, 0.05, 500, 2000


class SearchImages(NamedTuple):
    """The images of a search.

    Attributes:
        training: all training images: the chosen network learns from them.
        validation: the val images; they have no part in the search.
        learning: the training images that candidates learn from.
        deciding: the other training images, by which candidates are compared.
        edge: mean length of the shorter edge of the training images in pixels.
        channels: 1 if all of those that were sampled are gray, otherwise 3.
    """

    training: ImageSet
    validation: ImageSet
    learning: ImageSet
    deciding: ImageSet
    edge: int
    channels: int

    def facts(self) -> dict[str, Any]:
        """What is remembered of the images: a fingerprint of names and labels, and what took a look at pixels."""
        fingerprint = sha256("".join(part.fingerprint() for part in self[:2]).encode())
        return {"fingerprint": fingerprint, "edge": self.edge, "channels": self.channels}


def read_search_images(
    data: str | os.PathLike[str],
    *,
    val_fraction: float,
    seed: int,
    allow_leaks: bool,
    known: Mapping[str, Any],
    progress: StageProgress,
) -> SearchImages:
    """Read a data set, decode every image once, and hold training images out.

    Args:
        data: as `dataset.read_both`.
        val_fraction: likewise.
        seed: of the draws.
        allow_leaks: whether val images may also be training images.
        known: `facts` of an earlier session, which need not be found out again; empty in the first one.
        progress: called after each image.

    Raises:
        DataError: the data cannot be trained on, an image cannot be read, there are too few images to hold some out, or
            there are leaks.
    """
    progress("listing images", 0, None)
    training, validation = dataset.read_both(data, val_fraction=val_fraction, seed=seed)
    edge, channels = (known["edge"], known["channels"]) if known else (0, 0)
    if not known:
        edge = _checked(training, validation, allow_leaks=allow_leaks, progress=progress)
        channels = 1 if _are_gray(training.sample(_COLOR_SAMPLE, seed=seed)) else 3
    deciding = _held_out(training, seed=seed)
    if not deciding:
        raise DataError(
            f"{os.fspath(data)}: {len(training)} training images are too few to hold some out for the choice; at least "
            f"one class needs two"
        )
    others = sorted(set(range(len(training))).difference(deciding))
    learning, deciding_images = training.subset(others), training.subset(sorted(deciding))
    return SearchImages(training, validation, learning, deciding_images, edge, channels)


def _checked(training: ImageSet, validation: ImageSet, *, allow_leaks: bool, progress: StageProgress) -> int:
    """Check that all images can be read and are in one half only. Returns the mean shorter edge of the first."""
    check_leaks(find_leaks(training, validation), count=len(validation), allowed=allow_leaks)
    first, second = (
        screen_images(images, Preprocess(), on_image=step_counter(progress, f"checking {name} images", len(images)))
        for name, images in (("train", training), ("val", validation))
    )
    fingerprints = first.fingerprints, second.fingerprints
    leaks = find_pixel_leaks(training, validation, fingerprints=fingerprints, color=Preprocess().color)
    check_leaks(leaks, count=len(validation), allowed=allow_leaks)
    return min(first.mean_size)


def _are_gray(images: ImageSet) -> bool:
    """Whether no image has color, apart from what JPEG compression makes of gray."""
    pixels = (np.asarray(load_image(source, color="RGB").pixels, np.int16) for source in images.sources)
    return all(int(np.ptp(image, axis=2).max()) < _GRAY_LEVELS for image in pixels)


def _held_out(images: ImageSet, *, seed: int) -> list[int]:
    """Indexes of the images to hold out: the same share of each class, but never the only image of one."""
    share = min(max(_ENOUGH / len(images), _LEAST_SHARE), _MOST_SHARE, _MOST / len(images))
    rng = np.random.default_rng((seed, 1))
    if images.task == "multi-label":
        return [int(index) for index in rng.permutation(len(images))[: int(share * len(images))]]
    labels, chosen = images.truth(), list[int]()
    for label in range(len(images.classes)):
        members = rng.permutation(np.flatnonzero(labels == label))
        chosen += members[: min(max(round(share * len(members)), 1), len(members) - 1)].tolist()
    return chosen
