"""Split and class of an image from the names of its folders, on disk or in an archive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from edgekit.dataset.listing import Entry, Listing, Split
from edgekit.image.source import ImageSource

# Common folder names of the two splits. If several names of one split exist, the first in this order is used.
SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "test", "testing"),
}
_SPLITS: dict[str, Split] = {name: split for split, names in SPLIT_NAMES.items() for name in names}
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".bmp", ".ppm", ".pgm", ".webp", ".tif", ".tiff", ".avif"})


class Member(NamedTuple):
    """An image file of a data set.

    Attributes:
        path: relative to the data set.
        source: how to read the image; None if its split was not requested.
    """

    path: PurePosixPath
    source: ImageSource | None


def is_image_path(path: PurePosixPath) -> bool:
    """Return whether the file extension is that of an image and no part of the path is hidden."""
    return path.suffix.lower() in _SUFFIXES and not is_hidden(path)


def is_hidden(path: PurePosixPath) -> bool:
    """Return whether part of the path is hidden, or a folder that macOS adds to archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def split_of(path: PurePosixPath) -> Split | None:
    """Return the split of an image at .../SPLIT/CLASS/.../image; None if no folder is named like a split."""
    return next((_SPLITS[part] for part in path.parts[:-2] if part in _SPLITS), None)


def list_by_folders(members: Sequence[Member], folders: Iterable[PurePosixPath]) -> Listing:
    """Sort images into splits and classes by their folders: SPLIT/CLASS/image, or CLASS/image without splits.

    Args:
        members: the images.
        folders: all folders of the data set, so that classes without images can be reported.
    """
    paths = [member.path for member in members]
    has_splits = any(split_of(path) for path in paths)
    class_depth = 0 if has_splits else _common_depth(paths)
    split_names = _preferred_split_names(paths)
    entries = []
    for path, source in members:
        split_and_class = _split_and_class(path, class_depth, has_splits)
        if split_and_class is not None and split_and_class[0] in (None, *split_names):
            split_name, class_key = split_and_class
            entries.append(Entry(None if split_name is None else _SPLITS[split_name], (class_key,), str(path), source))
    entries.sort(key=lambda entry: (entry.class_keys, entry.name))
    return Listing(entries=entries, empty_folders=_empty_class_folders(paths, folders, class_depth, has_splits))


def _split_and_class(path: PurePosixPath, class_depth: int, has_splits: bool) -> tuple[str | None, str] | None:
    """Return (name of the split folder, class) of an image; None if it is not in a class folder."""
    if not has_splits:
        return (None, path.parts[class_depth]) if len(path.parts) >= class_depth + 2 else None
    depth = next((i for i, part in enumerate(path.parts[:-2]) if part in _SPLITS), None)
    return None if depth is None else (path.parts[depth], path.parts[depth + 1])


def _preferred_split_names(paths: Iterable[PurePosixPath]) -> set[str]:
    """Return the first name of each split that has images. val and test, for example, must not be merged."""
    present = {pair[0] for path in paths if (pair := _split_and_class(path, 0, has_splits=True)) is not None}
    preferred = (next((name for name in names if name in present), None) for names in SPLIT_NAMES.values())
    return {name for name in preferred if name is not None}


def _common_depth(paths: Sequence[PurePosixPath]) -> int:
    """Return the number of leading folders that all images share above their classes; archives often have one."""
    depth = 0
    while paths and all(len(path.parts) > depth + 2 for path in paths):
        if len({path.parts[depth] for path in paths}) > 1:
            break
        depth += 1
    return depth


def _empty_class_folders(
    paths: Iterable[PurePosixPath], folders: Iterable[PurePosixPath], class_depth: int, has_splits: bool
) -> tuple[str, ...]:
    non_empty = {parent for path in paths for parent in path.parents}
    empty = []
    for folder in folders:
        parts = folder.parts
        is_class = len(parts) >= 2 and parts[-2] in _SPLITS if has_splits else len(parts) == class_depth + 1
        if is_class and folder not in non_empty and not is_hidden(folder):
            empty.append(str(folder))
    return tuple(sorted(empty))
