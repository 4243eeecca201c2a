"""Split and class of an image from the names of its folders, on disk or in an archive.

The layout is SPLIT/CLASS/image, or CLASS/image without splits; folders that all images share may lie above, and any
folders below a class.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from edgekit.dataset.listing import Entry, Listing, Split
from edgekit.errors import DataError, DataWarning, listed, quote
from edgekit.image.formats import is_image_name
from edgekit.image.source import ImageSource
from edgekit.walk import is_system_name

# The kinds of parts that count as each split. If a data set has several of one split, the first in this order is used.
SPLIT_KINDS: dict[Split, tuple[str, ...]] = {"train": ("train",), "val": ("val", "test")}
_KINDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# What often stands beside the name of a split: seg_train, train_images, train-set, val2017.
_AFFIXES = frozenset({"seg", "set", "split", "data", "dataset", "image", "images", "img", "imgs", "photos"})
_WORD = re.compile("[a-z]+")
_MIN_CLASSES = 2


class Member(NamedTuple):
    """An image file of a data set.

    Attributes:
        path: relative to the data set.
        source: how to read the image; None if its split was not requested.
    """

    path: PurePosixPath
    source: ImageSource | None


class Layout(NamedTuple):
    """Where splits and classes lie in a data set.

    Attributes:
        top: the folder that all images share.
        split_folders: the split of each folder that is used, by its path; empty if the data set has no splits.
        class_depths: the number of folders above the classes, by the folder of a split; without splits, by the root.
        left_out: the folders of splits that are not used.
    """

    top: PurePosixPath
    split_folders: Mapping[PurePosixPath, Split]
    class_depths: Mapping[PurePosixPath, int]
    left_out: tuple[PurePosixPath, ...] = ()

    def split_and_class(self, path: PurePosixPath) -> tuple[Split | None, str] | None:
        """Return the split and the class of an image; None if it is in no class folder of a split that is used."""
        folder = self._split_folder(path)
        if folder is None or len(path.parts) < self.class_depths[folder] + 2:
            return None
        return self.split_folders.get(folder), unicodedata.normalize("NFC", path.parts[self.class_depths[folder]])

    def is_loose(self, path: PurePosixPath) -> bool:
        """Return whether an image lies beside the class folders or splits instead of in one."""
        folder = self._split_folder(path)
        return len(path.parts) < 2 + (len(self.top.parts) if folder is None else self.class_depths[folder])

    def _split_folder(self, path: PurePosixPath) -> PurePosixPath | None:
        return next((folder for folder in self.class_depths if path.is_relative_to(folder)), None)


def is_image_path(path: PurePosixPath) -> bool:
    """Return whether the file extension is that of an image and no part of the path is hidden or the system's."""
    return is_image_name(path.name) and not any(map(is_system_name, path.parts))


def split_named(name: str) -> Split | None:
    """Return the split that a name stands for, in any case and with the usual affixes; None if for none."""
    kind = split_kind(name)
    return next((split for split, kinds in SPLIT_KINDS.items() if kind in kinds), None)


def split_kind(name: str) -> str | None:
    """Return "train", "val" or "test" if a name stands for it, in any case and with the usual affixes, else None."""
    words = _WORD.findall(re.sub("set$", "", name.lower()))
    named = [word for word in words if word in _KINDS]
    return _KINDS[named[0]] if len(named) == 1 and _AFFIXES.issuperset(w for w in words if w != named[0]) else None


def split_kind_in(name: str) -> str | None:
    """Return "train", "val" or "test" if exactly one word of a file name stands for it, whatever the others are."""
    named = {_KINDS[word] for word in _WORD.findall(name.lower()) if word in _KINDS}
    return next(iter(named)) if len(named) == 1 else None


def find_layout(paths: Sequence[PurePosixPath], root: str = "") -> Layout:
    """Determine where splits and classes lie.

    The folders below those that all images share are splits if all of them have the name of one, otherwise classes.

    Args:
        paths: of the images, relative to the data set.
        root: path of the data set, for messages.

    Raises:
        DataError: the names allow two readings, or the classes lie one level deeper.
    """
    top = _shared_folder(paths)
    depth = len(top.parts)
    subfolders = _subfolders(paths, depth)
    splits = {name: kind for name in subfolders if (kind := split_kind(name)) is not None}
    if splits and len(splits) == len(subfolders):
        return _layout_of_splits(paths, top, splits, root)
    _refuse_two_readings(top, subfolders, set(splits), root)
    return Layout(top, {}, {PurePosixPath(): depth})


def list_by_folders(members: Sequence[Member], folders: Iterable[PurePosixPath], *, root: str = "") -> Listing:
    """Sort images into splits and classes by their folders.

    Args:
        members: the images.
        folders: all folders of the data set, so that classes without images can be reported.
        root: path of the data set, for messages.

    Raises:
        DataError: as in `find_layout`.
    """
    paths = [member.path for member in members]
    layout = find_layout(paths, root)
    entries = [
        Entry(found[0], (found[1],), str(path), source)
        for path, source in members
        if (found := layout.split_and_class(path)) is not None
    ]
    entries.sort(key=lambda entry: (entry.class_keys, entry.name))
    loose = [str(path) for path in paths if layout.is_loose(path)]
    if loose and entries:
        warnings.warn(
            f"{root}: {len(loose)} of {len(paths)} images lie in no class folder and are left out: "
            f"{listed(map(quote, loose), most=3)}",
            DataWarning,
            stacklevel=2,
        )
    empty, left_out = _empty_class_folders(paths, folders, layout), tuple(map(str, layout.left_out))
    return Listing(entries=entries, empty_folders=empty, left_out=left_out)


def _shared_folder(paths: Sequence[PurePosixPath]) -> PurePosixPath:
    """The folder below which the folders of the images differ: archives often have one. A split is never above it."""
    depth = 0
    while paths and all(len(path.parts) > depth + 2 for path in paths):
        names = {path.parts[depth] for path in paths}
        if len(names) > 1 or split_named(*names) is not None:
            break
        depth += 1
    return PurePosixPath(*paths[0].parts[:depth]) if paths else PurePosixPath()


def _subfolders(paths: Iterable[PurePosixPath], depth: int) -> dict[str, set[str]]:
    """The folders at a depth that contain images, and for each the names of the folders in it that do."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        if len(path.parts) > depth + 1:
            found[path.parts[depth]].update(path.parts[depth + 1 : -1][:1])
    return found


def _layout_of_splits(
    paths: Sequence[PurePosixPath], top: PurePosixPath, splits: Mapping[str, str], root: str
) -> Layout:
    """Use the first kind of each split that has class folders: val and test must not be merged."""
    used: dict[PurePosixPath, Split] = {}
    for split, kinds in SPLIT_KINDS.items():
        for kind in kinds:
            folders = [top / name for name in splits if splits[name] == kind]
            if len(folders) > 1:
                raise DataError(
                    f"{root}: {listed(quote(str(folder)) for folder in folders)} are all named like the {split} split; "
                    f"keep one of them"
                )
            if folders:
                used[folders[0]] = split
                break
    depths = {}
    for folder in used:
        inside = [path.relative_to(folder) for path in paths if path.is_relative_to(folder)]
        repeated = all(len(path.parts) > 2 and split_named(path.parts[0]) == used[folder] for path in inside)
        depths[folder] = len(folder.parts) + repeated  # some archives repeat it: seg_train/seg_train/CLASS/image
    return Layout(top, used, depths, tuple(sorted({top / name for name in splits}.difference(used))))


def _refuse_two_readings(top: PurePosixPath, subfolders: Mapping[str, set[str]], splits: set[str], root: str) -> None:
    """Raise DataError if the folders may be splits, or other parts of a data set, instead of classes."""
    as_classes = f"if {listed(map(quote, sorted(subfolders)))} are the classes, pass a table of file,label"
    if any(len(subfolders[name]) >= _MIN_CLASSES for name in splits):
        others = sorted(subfolders.keys() - splits)
        raise DataError(
            f"{root}: {listed(map(quote, sorted(splits)))} may be splits, but {listed(map(quote, others))} cannot be; "
            f"if they are splits, move the other folders away; {as_classes}"
        )
    inner = list(subfolders.values())
    if len(inner) < _MIN_CLASSES or any(names != inner[0] for names in inner):
        return
    if inner[0] and all(map(split_named, inner[0])):
        raise DataError(
            f"{root}: the folders {listed(map(quote, sorted(subfolders)))} all contain "
            f"{listed(map(quote, sorted(inner[0])))}; splits must lie above the classes: SPLIT/CLASS/image"
        )
    if len(inner[0]) >= _MIN_CLASSES:
        examples = listed((quote(str(PurePosixPath(root, top, name))) for name in sorted(subfolders)), most=3)
        raise DataError(
            f"{root}: the folders {listed(map(quote, sorted(subfolders)))} all contain the folders "
            f"{listed(map(quote, sorted(inner[0])))}; if those are the classes, pass one of {examples}; {as_classes}"
        )


def _empty_class_folders(
    paths: Iterable[PurePosixPath], folders: Iterable[PurePosixPath], layout: Layout
) -> tuple[str, ...]:
    non_empty = {parent for path in paths for parent in path.parents}
    empty = [
        str(folder)
        for folder in folders
        if folder not in non_empty
        and not any(map(is_system_name, folder.parts))
        and any(
            folder.is_relative_to(above) and len(folder.parts) == depth + 1
            for above, depth in layout.class_depths.items()
        )
    ]
    return tuple(sorted(empty))
