"""The one way in which edgekit walks through folders: for data sets, predictions and lists of images."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from math import inf
from typing import NamedTuple

# Folders that file servers and operating systems add, in lower case. Hidden names need no list.
_SYSTEM_NAMES = frozenset(
    {
        "__macosx",
        "@eadir",
        "@recycle",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "lost+found",
        "system volume information",
    }
)
_NUMBER = re.compile("[0-9]+")


class Item(NamedTuple):
    """A file or folder found on the way.

    Attributes:
        path: the root and the names below it, joined.
        is_folder: whether it is a folder; a folder comes before its content.
        error: why a folder cannot be read; None otherwise.
    """

    path: str
    is_folder: bool
    error: str | None = None


def walk(root: str, *, deepest: float = inf, skipped: str | os.PathLike[str] | None = None) -> Iterator[Item]:
    """Yield the files and folders in a folder, in natural order (2 before 10).

    Links are followed, but each real folder is entered once, by the path that comes first. Hidden files and folders and
    those of the system are left out. A folder that cannot be read is yielded once more, with the error.

    Args:
        root: the folder; empty for the current one, so that the paths have no prefix.
        deepest: number of levels to enter; 1 yields only what lies in the folder itself.
        skipped: a folder that is not entered.
    """
    entered = set() if skipped is None else {_identity(skipped)}
    levels = [_items(root, entered)]
    while levels:
        item = next(levels[-1], None)
        if item is None:
            levels.pop()
            continue
        yield item
        if item.is_folder and item.error is None and len(levels) < deepest:
            levels.append(_items(item.path, entered))


def is_system_name(name: str) -> bool:
    """Return whether a file or folder is hidden, or one that a system adds beside the user's own."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def natural(name: str) -> str:
    """A sorting key by which 2 comes before 10: each number is preceded by its length."""
    return _NUMBER.sub(lambda number: f"{len(number[0].lstrip('0')):03}{number[0].lstrip('0')}", name.casefold())


def _items(folder: str, entered: set[tuple[int, int] | None]) -> Iterator[Item]:
    """What lies in a folder; nothing if it was entered before."""
    identity = _identity(folder or os.curdir)
    if identity is not None and identity in entered:
        return
    entered.add(identity)
    try:
        with os.scandir(folder or os.curdir) as entries:
            folders = {entry.name: _is_folder(entry) for entry in entries if not is_system_name(entry.name)}
    except OSError as error:
        yield Item(folder, is_folder=True, error=error.strerror or str(error))
        return
    for name in sorted(sorted(folders), key=natural):
        yield Item(os.path.join(folder, name), folders[name])  # noqa: PTH118  (a hundred thousand Paths take seconds)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(folder: str | os.PathLike[str]) -> tuple[int, int] | None:
    """What identifies a folder, whatever its path; None if there is no such folder."""
    try:
        status = os.stat(folder)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
