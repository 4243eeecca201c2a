"""Splits a data set into calibration images and held-out images."""

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
    """Choose the calibration images and the held-out images of a quantization.

    If the data has train and val splits, the calibration images are drawn from train, and all of val is held out.
    Otherwise they are drawn from all images, and the rest is held out.

    Args:
        path: a data set that `dataset.read` accepts, or a folder of images without classes.
        truth: CSV file with the columns file,label (paths relative to the folder) that labels a folder of images.
            Without it, the images of such a folder have no classes.
        samples: number of calibration images.
        seed: seed of the random draw.

    Returns:
        The calibration images and the held-out images, which have no image in common.

    Raises:
        DataError: the data cannot be read, or `samples` leaves no image to hold out.

    Example:
        >>> from edgekit.quantize.split_data import calibration_and_held_out
        >>> calibration, held_out = calibration_and_held_out("photos/", samples=100, seed=0)  # doctest: +SKIP
        >>> len(calibration)  # doctest: +SKIP
        100
    """
    splits = None if truth is not None or is_bare_folder(Path(path)) else _train_and_val(path)
    if splits is not None:
        return splits[0].sample(samples, seed=seed), splits[1]
    images = dataset.read_images(path, truth=truth)
    if len(images) <= samples:
        raise DataError(
            f"{os.fspath(path)}: `samples` must be smaller than the number of images (got {samples} of {len(images)}), "
            f"because the others are held out to check the result; add images or lower `samples`"
        )
    order = np.random.default_rng(seed).permutation(len(images)).tolist()
    return images.subset(sorted(order[:samples])), images.subset(sorted(order[samples:]))


def _train_and_val(path: str | os.PathLike[str]) -> tuple[ImageSet, ImageSet] | None:
    """The train and val images, or None if the data has no such splits."""
    try:
        return dataset.read(path, "train"), dataset.read(path, "val")
    except DataError:  # any other problem is reported when all images are read
        return None
