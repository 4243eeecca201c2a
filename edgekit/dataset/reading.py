"""From a path to image sets: one split, or both splits with classes that agree."""

from __future__ import annotations

import dataclasses
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from edgekit.dataset.archive import read_archive
from edgekit.dataset.folders import Member, is_image_path, list_by_folders
from edgekit.dataset.idx import read_idx
from edgekit.dataset.image_set import ImageSet
from edgekit.dataset.listing import Entry, Listing, Split, Splits
from edgekit.dataset.table import TABLE_NAME, read_table
from edgekit.errors import DataError, listed, unknown

# The entries' splits, by the split that is asked for.
_SPLITS: dict[str, tuple[Split | None, ...]] = {
    "train": ("train",),
    "val": ("val",),
    "held-out": ("val", None),
    "all": ("train", "val", None),
}


def read(path: str | os.PathLike[str], split: str, *, truth: str | os.PathLike[str] | None = None) -> ImageSet:
    """The `split` of the data set at `path`: "train", "val", "all", or "held-out" (val, or all if nothing is split).

    path: a folder with train/ and val/ (or test/), each of one folder for each class; a tar, tar.gz or zip of such; a
    folder of MNIST-style idx files; a CSV of file,label, or a folder with a labels.csv. truth: such a CSV that lies
    elsewhere, for the images of the folder `path`. Classes are those of the whole data set (of its train, if it has
    one), in the order of their names, numbers in theirs. "all" is every image, of one folder for each class as well.
    Raises DataError with what was found.
    """
    root = Path(path)
    if split not in _SPLITS:
        raise DataError(unknown("split", split, _SPLITS))
    splits = _SPLITS[split]
    listing = _list_images(root, splits) if truth is None else _list_by_truth(root, Path(truth))
    if split == "held-out" and any(entry.split == "val" for entry in listing.entries):
        splits = ("val",)
    entries = [entry for entry in listing.entries if entry.split in splits]
    if not entries:
        raise DataError(f"{root}: {_missing_split_message(listing, split)}")
    training = [entry for entry in listing.entries if entry.split == "train"] if splits == ("val",) else entries
    keys = _class_keys(listing, training or entries)
    _require_known_classes(root, entries, keys)
    return _image_set(listing, entries, keys)


def read_images(path: str | os.PathLike[str], *, truth: str | os.PathLike[str] | None = None) -> ImageSet:
    """All images of a data set, or of a folder of bare images: without classes, unless `truth` names them."""
    root = Path(path)
    if truth is not None:
        table = read(truth, "all")
        if not root.is_dir():
            raise DataError(f"{root}: a table of truth goes with a folder of images, which this is not")
        return dataclasses.replace(table, sources=[root / name for name in table.names])
    if is_bare_folder(root):
        files = sorted(file for file in root.iterdir() if file.is_file() and is_image_path(PurePosixPath(file.name)))
        return ImageSet((), files, tuple(file.name for file in files), (0,) * len(files))
    return read(root, "all")


def is_bare_folder(root: Path) -> bool:
    """Whether it is a folder that contains images directly, and no table of their classes."""
    return (
        root.is_dir()
        and not (root / TABLE_NAME).is_file()
        and any(is_image_path(PurePosixPath(file.name)) for file in root.iterdir())
    )


def read_held_out(path: str | os.PathLike[str]) -> ImageSet:
    """The val images, on which a model is evaluated; all of them if the data has no splits."""
    entries = _list_images(Path(path), ()).entries
    return read(path, "all" if entries and all(entry.split is None for entry in entries) else "val")


def read_both(path: str | os.PathLike[str], *, val_fraction: float = 0.0, seed: int = 0) -> tuple[ImageSet, ImageSet]:
    """The training and the validation images, with the same classes.

    If the data has no val of its own, `val_fraction` of each class is drawn for it by the seed, at least one image
    of each. Raises DataError for what cannot be trained on: a val class unknown to train, a class without images,
    one class only, no val.
    """
    root = Path(path)
    listing = _list_images(root, _SPLITS["all"])
    if listing.empty_folders:
        empty = listed(map(repr, listing.empty_folders))
        raise DataError(f"{root}: no images in {empty}; fill or delete each class without images")
    training = [entry for entry in listing.entries if entry.split != "val"]
    validation = [entry for entry in listing.entries if entry.split == "val"]
    if not training:
        raise DataError(f"{root}: {_missing_split_message(listing, 'train')}")
    keys = _class_keys(listing, training)
    _require_trainable(root, listing, training, keys)
    if validation and val_fraction:
        raise DataError(f"{root}: has val images of its own; leave val_fraction out")
    if not validation:
        if not val_fraction:
            lack = _missing_split_message(listing, "val")
            raise DataError(f"{root}: {lack}; val_fraction 0.2 keeps a fifth of each class for it")
        training, validation = _draw_validation(root, training, val_fraction, seed)
    _require_known_classes(root, validation, keys)
    return _image_set(listing, training, keys), _image_set(listing, validation, keys)


def read_unlabeled(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Every image in the folder and those below it, whatever it shows, in the order of their paths.

    Raises DataError if there is no such folder, or no image in it.
    """
    root = Path(path)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    files = sorted(Path(parent, name) for parent, _, names in os.walk(root) for name in names)
    images = tuple(file for file in files if is_image_path(PurePosixPath(file.relative_to(root).as_posix())))
    if not images:
        raise DataError(f"{root}: there are no images in it")
    return images


def _list_images(root: Path, splits: Splits) -> Listing:
    """The images of a data set in any form; those of other splits without their sources, if they would cost time."""
    if root.is_dir():
        return read_idx(root, splits) or _list_folder(root)
    if not root.exists():
        raise DataError(f"{root}: no such folder or file")
    if root.suffix.lower() == ".csv":
        return read_table(root)
    listing = read_archive(root, splits)
    if listing is None:
        raise DataError(f"{root}: neither a folder, nor a tar or zip archive, nor a .csv table")
    return listing


def _list_by_truth(root: Path, truth: Path) -> Listing:
    if not root.is_dir():
        raise DataError(f"{root}: a table of truth goes with a folder of images, which this is not")
    return read_table(truth, folder=root)


def _list_folder(root: Path) -> Listing:
    if (root / TABLE_NAME).is_file():
        return read_table(root / TABLE_NAME)
    members, folders = [], []
    for parent, names, files in os.walk(root, followlinks=True):
        inside = PurePosixPath(Path(parent).relative_to(root).as_posix())
        names[:] = [name for name in names if not name.startswith(".")]
        folders += [inside / name for name in names]
        members += [Member(inside / name, Path(parent, name)) for name in files if is_image_path(inside / name)]
    return list_by_folders(members, folders)


def _class_keys(listing: Listing, entries: Iterable[Entry]) -> tuple[str, ...]:
    """The keys of the classes, in the order of their indexes."""
    return listing.class_order or tuple(sorted({entry.class_key for entry in entries}))


def _image_set(listing: Listing, entries: Sequence[Entry], keys: Sequence[str]) -> ImageSet:
    index = {key: number for number, key in enumerate(keys)}
    return ImageSet(
        tuple(listing.class_names.get(key, key) for key in keys),
        [entry.source for entry in entries if entry.source is not None],
        tuple(entry.name for entry in entries),
        tuple(index[entry.class_key] for entry in entries),
    )


def _draw_validation(
    root: Path, entries: Sequence[Entry], fraction: float, seed: int
) -> tuple[list[Entry], list[Entry]]:
    """(training, validation): of each class the same share, drawn by the seed from its images in order of names."""
    by_class: dict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.name):
        by_class[entry.class_key].append(entry)
    training: list[Entry] = []
    validation: list[Entry] = []
    for number, key in enumerate(sorted(by_class)):
        members = by_class[key]
        if len(members) < 2:
            raise DataError(f"{root}: class {key!r} has one image only, which cannot be both for train and for val")
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        drawn = set(np.random.default_rng((seed, number)).permutation(len(members))[:count].tolist())
        for position, entry in enumerate(members):
            (validation if position in drawn else training).append(entry)
    return training, validation


def _require_trainable(root: Path, listing: Listing, training: Sequence[Entry], keys: Sequence[str]) -> None:
    present = {entry.class_key for entry in training}
    names = [listing.class_names.get(key, key) for key in keys]
    absent = [name for key, name in zip(keys, names, strict=True) if key not in present]
    if absent:
        raise DataError(f"{root}: no training images of {listed(map(repr, absent))}")
    if len(keys) < 2:
        raise DataError(f"{root}: one class only ({names[0]!r}); there is nothing to tell apart")


def _require_known_classes(root: Path, entries: Iterable[Entry], keys: Sequence[str]) -> None:
    unknown_to_train = sorted({entry.class_key for entry in entries}.difference(keys))
    if unknown_to_train:
        raise DataError(f"{root}: val has classes that train does not have: {listed(map(repr, unknown_to_train))}")


def _missing_split_message(listing: Listing, split: str) -> str:
    if not listing.entries:
        return "no images in folders named by their classes, no idx files, no labels.csv"
    present = sorted({entry.split or "CLASS" for entry in listing.entries})
    return f"no {split} images, only those in {', '.join(f'{name}/' for name in present)}"
