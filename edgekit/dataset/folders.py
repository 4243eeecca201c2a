"""Split and class of a picture by the folders it lies in, on a disk or in an archive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from edgekit.dataset.listing import Entry, Found, Split
from edgekit.image.source import ImageSource

# Names by which people call the two halves of a data set. Of several for one half, the first that is there counts.
SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "test", "testing"),
}
_SPLITS: dict[str, Split] = {name: split for split, names in SPLIT_NAMES.items() for name in names}
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".bmp", ".ppm", ".pgm", ".webp", ".tif", ".tiff", ".avif"})


class Member(NamedTuple):
    """A picture's path inside of the data set, and how to read it (None: not wanted)."""

    path: PurePosixPath
    source: ImageSource | None


def is_picture(path: PurePosixPath) -> bool:
    """Whether the name is that of a picture; hidden files and folders are not looked at."""
    return path.suffix.lower() in _SUFFIXES and not is_hidden(path)


def is_hidden(path: PurePosixPath) -> bool:
    """Whether a part of the path is hidden, or is what macOS adds to archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def split_of(path: PurePosixPath) -> Split | None:
    """The split of a picture at .../SPLIT/CLASS/.../picture."""
    return next((_SPLITS[part] for part in path.parts[:-2] if part in _SPLITS), None)


def found_in(members: Sequence[Member], folders: Iterable[PurePosixPath]) -> Found:
    """The pictures by their folders: SPLIT/CLASS/picture, or CLASS/picture where there is no split.

    folders: those of the data set, so that a class without a picture is seen.
    """
    paths = [member.path for member in members]
    splits = any(split_of(path) for path in paths)
    cut = 0 if splits else _common_depth(paths)
    chosen = _chosen_names(paths)
    entries = []
    for path, source in members:
        place = _place(path, cut, splits)
        if place is not None and place[0] in (None, *chosen):
            split = None if place[0] is None else _SPLITS[place[0]]
            entries.append(Entry(split, place[1], str(path), source))
    entries.sort(key=lambda entry: (entry.class_key, entry.name))
    return Found(entries=entries, empty=_empty(paths, folders, cut, splits))


def _place(path: PurePosixPath, cut: int, splits: bool) -> tuple[str | None, str] | None:
    """(name of the split's folder, class) of a picture; None for one that lies outside of every class."""
    if not splits:
        return (None, path.parts[cut]) if len(path.parts) >= cut + 2 else None
    at = next((i for i, part in enumerate(path.parts[:-2]) if part in _SPLITS), None)
    return None if at is None else (path.parts[at], path.parts[at + 1])


def _chosen_names(paths: Iterable[PurePosixPath]) -> set[str]:
    """Of each half, the first of its names under which there are pictures: val and test are not one set."""
    seen = {place[0] for path in paths if (place := _place(path, 0, splits=True)) is not None}
    first = (next((name for name in names if name in seen), None) for names in SPLIT_NAMES.values())
    return {name for name in first if name is not None}


def _common_depth(paths: Sequence[PurePosixPath]) -> int:
    """How many folders at the front all pictures share and that are no class: archives often have one."""
    depth = 0
    while paths and all(len(path.parts) > depth + 2 for path in paths):
        if len({path.parts[depth] for path in paths}) > 1:
            break
        depth += 1
    return depth


def _empty(paths: Iterable[PurePosixPath], folders: Iterable[PurePosixPath], cut: int, splits: bool) -> tuple[str, ...]:
    """The class folders in which no picture lies."""
    full = {parent for path in paths for parent in path.parents}
    empty = []
    for folder in folders:
        parts = folder.parts
        is_class = len(parts) >= 2 and parts[-2] in _SPLITS if splits else len(parts) == cut + 1
        if is_class and folder not in full and not is_hidden(folder):
            empty.append(str(folder))
    return tuple(sorted(empty))
