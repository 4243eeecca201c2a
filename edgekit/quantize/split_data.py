"""Which images calibrate a quantization, and which are held out to judge it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from edgekit import dataset
from edgekit.dataset import ImageSet
from edgekit.dataset.reading import is_bare_folder
from edgekit.errors import DataError


def calibration_and_held_out(
    path: str | os.PathLike[str], *, truth: str | os.PathLike[str] | None = None, samples: int, seed: int
) -> tuple[ImageSet, ImageSet]:
    """`samples` images to calibrate on, drawn by the seed, and those to judge on; no image is in both.

    path: whatever `dataset.read` accepts; its train images calibrate and its val images judge, and without such splits
    all that do not calibrate judge. Or a folder of bare images, whose classes are known from `truth` (a CSV of
    file,label; its files relative to the folder) or not at all: then the sets have no classes. Raises DataError.
    """
    splits = None if truth is not None or is_bare_folder(Path(path)) else _train_and_val(path)
    if splits is not None:
        return splits[0].sample(samples, seed=seed), splits[1]
    images = dataset.read_images(path, truth=truth)
    if len(images) <= samples:
        raise DataError(
            f"{os.fspath(path)}: {len(images)} images, and {samples} are to calibrate; none is left to judge on; "
            f"give more images or fewer --samples"
        )
    order = np.random.default_rng(seed).permutation(len(images)).tolist()
    return images.subset(sorted(order[:samples])), images.subset(sorted(order[samples:]))


def _train_and_val(path: str | os.PathLike[str]) -> tuple[ImageSet, ImageSet] | None:
    """The train and the val images, or None if the data is not split so."""
    try:
        return dataset.read(path, "train"), dataset.read(path, "val")
    except DataError:  # anything else that is wrong will show when all of it is read
        return None
