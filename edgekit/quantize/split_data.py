"""Which images calibrate a quantization, and which are held out to judge it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path, PurePosixPath

import numpy as np

from edgekit import dataset
from edgekit.dataset import ImageSet
from edgekit.dataset.folders import is_image_path
from edgekit.dataset.table import TABLE_NAME
from edgekit.errors import DataError


def calibration_and_held_out(
    path: str | os.PathLike[str], *, truth: str | os.PathLike[str] | None = None, samples: int, seed: int
) -> tuple[ImageSet, ImageSet]:
    """`samples` images to calibrate on, drawn by the seed, and those to judge on; no image is in both.

    path: whatever `dataset.read` accepts; its train images calibrate and its val images judge, and without such splits
    all that do not calibrate judge. Or a folder of bare images, whose classes are known from `truth` (a CSV of
    file,label; its files relative to the folder) or not at all: then the sets have no classes. Raises DataError.
    """
    splits = None if truth is not None or _is_bare(Path(path)) else _train_and_val(path)
    if splits is not None:
        return splits[0].sample(samples, seed=seed), splits[1]
    images = images_at(path, truth=truth)
    if len(images) <= samples:
        raise DataError(
            f"{os.fspath(path)}: {len(images)} pictures, and {samples} are to calibrate; none is left to judge on; "
            f"give more pictures or fewer --samples"
        )
    order = np.random.default_rng(seed).permutation(len(images)).tolist()
    return images.subset(sorted(order[:samples])), images.subset(sorted(order[samples:]))


def images_at(path: str | os.PathLike[str], *, truth: str | os.PathLike[str] | None = None) -> ImageSet:
    """All images of a data set, or of a folder of bare images: without classes, unless `truth` names them."""
    root = Path(path)
    if truth is not None:
        table = dataset.read(truth, "all")
        if not root.is_dir():
            raise DataError(f"{root}: a table of truth goes with a folder of pictures, which this is not")
        return dataclasses.replace(table, sources=[root / name for name in table.names])
    if _is_bare(root):
        files = sorted(file for file in root.iterdir() if file.is_file() and is_image_path(PurePosixPath(file.name)))
        return ImageSet((), files, tuple(file.name for file in files), (0,) * len(files))
    return dataset.read(root, "all")


def _is_bare(root: Path) -> bool:
    """Whether it is a folder that contains images directly, and no table of their classes."""
    return (
        root.is_dir()
        and not (root / TABLE_NAME).is_file()
        and any(is_image_path(PurePosixPath(file.name)) for file in root.iterdir())
    )


def _train_and_val(path: str | os.PathLike[str]) -> tuple[ImageSet, ImageSet] | None:
    """The train and the val images, or None if the data is not split so."""
    try:
        return dataset.read(path, "train"), dataset.read(path, "val")
    except DataError:  # anything else that is wrong will show when all of it is read
        return None
