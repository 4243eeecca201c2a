"""Which pictures calibrate and which judge."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path, PurePosixPath

import numpy as np

from edgekit import dataset
from edgekit.dataset import PictureSet
from edgekit.dataset.folders import is_picture
from edgekit.dataset.table import TABLE
from edgekit.errors import DataError


def calibration_and_held_out(
    path: str | os.PathLike[str], *, truth: str | os.PathLike[str] | None = None, samples: int, seed: int
) -> tuple[PictureSet, PictureSet]:
    """`samples` pictures to calibrate on, drawn by the seed, and those to judge on; no picture is both.

    path: whatever `dataset.read` takes; its train pictures calibrate and its val pictures judge, and where it has no
    such halves all that do not calibrate judge. Or a folder of bare pictures, whose classes are known from `truth` (a
    CSV of file,label; its files relative to the folder) or not at all: then the sets have no classes. Raises DataError.
    """
    halves = None if truth is not None or _is_bare(Path(path)) else _halves(path)
    if halves is not None:
        return halves[0].sample(samples, seed=seed), halves[1]
    pictures = pictures_at(path, truth=truth)
    if len(pictures) <= samples:
        raise DataError(
            f"{os.fspath(path)}: {len(pictures)} pictures, and {samples} are to calibrate; none is left to judge on; "
            f"give more pictures or fewer --samples"
        )
    order = np.random.default_rng(seed).permutation(len(pictures)).tolist()
    return pictures.subset(sorted(order[:samples])), pictures.subset(sorted(order[samples:]))


def pictures_at(path: str | os.PathLike[str], *, truth: str | os.PathLike[str] | None = None) -> PictureSet:
    """All pictures of a data set, or of a folder of bare pictures: without classes, if `truth` does not tell them."""
    root = Path(path)
    if truth is not None:
        told = dataset.read(truth, "all")
        if not root.is_dir():
            raise DataError(f"{root}: a table of truth goes with a folder of pictures, which this is not")
        return dataclasses.replace(told, sources=[root / name for name in told.names])
    if _is_bare(root):
        files = sorted(file for file in root.iterdir() if file.is_file() and is_picture(PurePosixPath(file.name)))
        return PictureSet((), files, tuple(file.name for file in files), (0,) * len(files))
    return dataset.read(root, "all")


def _is_bare(root: Path) -> bool:
    """Whether it is a folder in which pictures lie directly, and no table of their classes."""
    return (
        root.is_dir()
        and not (root / TABLE).is_file()
        and any(is_picture(PurePosixPath(file.name)) for file in root.iterdir())
    )


def _halves(path: str | os.PathLike[str]) -> tuple[PictureSet, PictureSet] | None:
    """The train and the val pictures, or None where the data is not split so."""
    try:
        return dataset.read(path, "train"), dataset.read(path, "val")
    except DataError:  # what is wrong beside that, reading all of it will say
        return None
