"""The pictures of a folder, whatever they show."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from edgekit.dataset.folders import is_picture
from edgekit.errors import DataError


def read_unlabeled(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Every picture in the folder and those below it, in the order of their paths.

    Raises DataError where there is no such folder, or no picture in it.
    """
    root = Path(path)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    paths = sorted(Path(parent, name) for parent, _, names in os.walk(root) for name in names)
    found = tuple(path for path in paths if is_picture(PurePosixPath(path.relative_to(root).as_posix())))
    if not found:
        raise DataError(f"{root}: there are no pictures in it")
    return found
