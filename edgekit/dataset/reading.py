"""Reading data sets from a path: one split, or the training and validation images with the same classes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from math import inf
from pathlib import Path, PurePosixPath

import numpy as np

from edgekit.dataset.archive import read_archive
from edgekit.dataset.class_checks import (
    check_names,
    present,
    require_known_classes,
    require_trainable,
    warn_of_classes_without_images,
)
from edgekit.dataset.folders import Member, list_by_folders
from edgekit.dataset.idx import read_idx
from edgekit.dataset.image_set import ImageSet
from edgekit.dataset.listing import Entry, Listing, Split, Splits
from edgekit.dataset.table import TABLE_NAME, read_table
from edgekit.dataset.validation_split import draw_validation
from edgekit.dataset.walk import walk
from edgekit.errors import DataError, check_types, quote, unknown
from edgekit.image.formats import is_image_name

_TRUTH_NEEDS_FOLDER = "{}: not a folder; `truth` can only be used with a folder of images"
# Which entries belong to the requested split.
_SPLITS: dict[str, tuple[Split | None, ...]] = {
    "train": ("train",),
    "val": ("val",),
    "held-out": ("val", None),
    "all": ("train", "val", None),
}


def read(path: str | os.PathLike[str], split: str, *, truth: str | os.PathLike[str] | None = None) -> ImageSet:
    """Read one split of a data set.

    The classes are those of the training images if the data set has any, else those of all images: sorted by name (as
    text: 10 before 2), those of idx files and `class_index` by number.

    Args:
        path: a folder CLASS/image, or SPLIT/CLASS/image with splits train and val (or test); a tar, tar.gz or zip
            archive of such a folder; a folder of MNIST-style idx files; a CSV table of file,label, or file,labels for
            several labels per image; or a folder that contains a table labels.csv.
        split: "train", "val", "all" (every image), or "held-out" (val, or every image if the data has no splits).
        truth: a CSV table of file,label in another place, for the images in the folder `path`.

    Returns:
        The images of the split.

    Raises:
        DataError: the data set or the split does not exist, or the data set cannot be used.

    Example:
        >>> from edgekit import dataset
        >>> images = dataset.read("photos", "val")
        >>> len(images), images.classes
        (120, ('bolt', 'nut', 'washer'))
    """
    check_types(str | os.PathLike, path=path)
    check_types(str | os.PathLike | None, truth=truth)
    root = Path(path)
    if not isinstance(split, str) or split not in _SPLITS:
        raise DataError(unknown("split", split, _SPLITS))
    splits = _SPLITS[split]
    listing = list_images(root, splits) if truth is None else list_by_truth(root, Path(truth))
    if split == "held-out" and any(entry.split == "val" for entry in listing.entries):
        splits = ("val",)
    entries = [entry for entry in listing.entries if entry.split in splits]
    if not entries:
        raise DataError(f"{root}: {_missing_split_message(listing, split)}")
    training = [entry for entry in listing.entries if entry.split == "train"] if splits == ("val",) else entries
    keys = class_keys(listing, training or entries)
    require_known_classes(root, entries, keys)
    images = image_set(listing, entries, keys)
    check_names(root, images.classes)
    return images


def read_images(path: str | os.PathLike[str], *, truth: str | os.PathLike[str] | None = None) -> ImageSet:
    """Read all images of a data set, or of a folder that directly contains images.

    Args:
        path: a data set as in `read`, or a folder of images.
        truth: a CSV table of file,label for the images in the folder `path`.

    Returns:
        The images. Those of a folder that directly contains images have no classes, unless `truth` is given: then
        `classes` is empty and every label is 0.

    Raises:
        DataError: as in `read`.

    Example:
        >>> from edgekit import dataset
        >>> images = dataset.read_images("camera")
        >>> images.names[0], images.classes
        ('frame-000.jpg', ())
    """
    check_types(str | os.PathLike, path=path)
    check_types(str | os.PathLike | None, truth=truth)
    root = Path(path)
    if truth is not None:
        table = read(truth, "all")
        if not root.is_dir():
            raise DataError(_TRUTH_NEEDS_FOLDER.format(root))
        return dataclasses.replace(table, sources=[root / name for name in table.names])
    if is_bare_folder(root):
        files = sorted(map(Path, _images_in(root)))
        deeper = next((file for file in files if file.parent != root), None)
        if deeper is not None:
            raise DataError(
                f"{root}: has images both directly in it and in folders, such as {quote(str(deeper))}; "
                f"pass a folder that has either images or class folders"
            )
        return ImageSet((), files, tuple(file.name for file in files), (0,) * len(files))
    return read(root, "all")


def is_bare_folder(root: Path) -> bool:
    """Return whether the path is a folder that directly contains images and has no table of their classes."""
    return root.is_dir() and not (root / TABLE_NAME).exists() and any(True for _ in _images_in(root, deepest=1))


def read_held_out(path: str | os.PathLike[str]) -> ImageSet:
    """Read the validation images of a data set, or all of them if it has no splits.

    Unlike `read(path, "held-out")`, this fails for a data set that has training images only.

    Args:
        path: a data set as in `read`.

    Raises:
        DataError: as in `read`.

    Example:
        >>> from edgekit import dataset
        >>> len(dataset.read_held_out("photos"))
        120
    """
    check_types(str | os.PathLike, path=path)
    entries = list_images(Path(path), ()).entries
    return read(path, "all" if entries and all(entry.split is None for entry in entries) else "val")


def read_both(path: str | os.PathLike[str], *, val_fraction: float = 0.0, seed: int = 0) -> tuple[ImageSet, ImageSet]:
    """Read the training and the validation images of a data set, with the same classes.

    Args:
        path: a data set as in `read`.
        val_fraction: share of each class to use for validation, 0 to 1 (at least one image), for data without
            validation images of its own.
        seed: same seed, same validation images.

    Returns:
        The training and the validation images.

    Raises:
        DataError: the data cannot be trained on: there are no validation images, a class has no training images, there
            is only one class, or a validation class has no training counterpart.

    Example:
        >>> from edgekit import dataset
        >>> training, validation = dataset.read_both("photos")
        >>> len(training), len(validation)
        (120, 120)
    """
    check_types(str | os.PathLike, path=path)
    check_types(float | int, val_fraction=val_fraction)
    check_types(int | np.integer, seed=seed)
    root = Path(path)
    listing = list_images(root, _SPLITS["all"])
    training = [entry for entry in listing.entries if entry.split != "val"]
    validation = [entry for entry in listing.entries if entry.split == "val"]
    if not training:
        raise DataError(f"{root}: {_missing_split_message(listing, 'train')}")
    keys = class_keys(listing, training)
    require_trainable(root, listing, training, keys)
    if validation and val_fraction:
        raise DataError(f"{root}: already has val images; omit `val_fraction`")
    if not validation:
        if not val_fraction:
            reason = _missing_split_message(listing, "val")
            raise DataError(f"{root}: {reason}; set `val_fraction` to 0.2 to use a fifth of each class for validation")
        training, validation = draw_validation(root, listing, training, fraction=val_fraction, seed=seed)
    require_known_classes(root, validation, keys)
    images = image_set(listing, training, keys)
    check_names(root, images.classes)
    warn_of_classes_without_images(root, listing, validation, keys)
    return images, image_set(listing, validation, keys)


def read_unlabeled(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """List every image in a folder and its subfolders, sorted by path.

    Args:
        path: the folder.

    Raises:
        DataError: there is no such folder, or no image in it.

    Example:
        >>> from edgekit import dataset
        >>> len(dataset.read_unlabeled("camera"))
        40
    """
    check_types(str | os.PathLike, path=path)
    root = Path(path)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    images = tuple(sorted(map(Path, _images_in(root))))
    if not images:
        raise DataError(f"{root}: the folder contains no images")
    return images


def _images_in(folder: Path, *, deepest: float = inf) -> Iterator[str]:
    return (item.path for item in walk(str(folder), deepest=deepest) if not item.is_folder and is_image_name(item.path))


def list_images(root: Path, splits: Splits) -> Listing:
    """List the images of a data set in any form. Sources of splits that are not requested may be left out."""
    if root.is_dir():
        return read_idx(root, splits) or _list_folder(root)
    if not root.exists():
        raise DataError(f"{root}: no such folder or file")
    if not root.is_file():
        raise DataError(f"{root}: not a folder or a regular file")
    if root.suffix.lower() == ".csv":
        return read_table(root)
    listing = read_archive(root, splits)
    if listing is None:
        raise DataError(f"{root}: not a folder, a tar or zip archive, or a .csv table")
    return listing


def list_by_truth(root: Path, truth: Path) -> Listing:
    if not root.is_dir():
        raise DataError(_TRUTH_NEEDS_FOLDER.format(root))
    return read_table(truth, folder=root)


def _list_folder(root: Path) -> Listing:
    if (root / TABLE_NAME).exists():
        return read_table(root / TABLE_NAME)
    members, folders = [], []
    for item in walk(str(root)):
        relative = PurePosixPath(Path(item.path).relative_to(root).as_posix())
        if item.error is not None:
            raise DataError(f"{item.path}: the folder cannot be read: {item.error}")
        if item.is_folder:
            folders.append(relative)
        elif relative.name == TABLE_NAME:
            raise DataError(f"{item.path}: a table of labels inside of {root}; pass the table, or move it away")
        elif is_image_name(item.path):
            members.append(Member(relative, Path(item.path)))
    return list_by_folders(members, folders, root=str(root))


def class_keys(listing: Listing, entries: Iterable[Entry]) -> tuple[str, ...]:
    """Return the class keys in the order of their indexes."""
    return listing.class_order or tuple(sorted(present(entries)))


def image_set(listing: Listing, entries: Sequence[Entry], keys: Sequence[str]) -> ImageSet:
    index = {key: number for number, key in enumerate(keys)}
    return ImageSet(
        tuple(listing.class_names.get(key, key) for key in keys),
        [entry.source for entry in entries if entry.source is not None],
        tuple(entry.name for entry in entries),
        () if listing.task == "multi-label" else tuple(index[entry.class_keys[0]] for entry in entries),
        tuple(tuple(sorted(index[key] for key in entry.class_keys)) for entry in entries)
        if listing.task == "multi-label"
        else None,
    )


def _missing_split_message(listing: Listing, split: str) -> str:
    if not listing.entries:
        return "no images in class folders, no idx files and no labels.csv"
    present = sorted({entry.split or "CLASS" for entry in listing.entries})
    return f"no {split} images, only images in {', '.join(f'{name}/' for name in present)}"
