"""From a path to picture sets: one split, or both halves with classes that agree."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from edgekit.dataset.archive import read_archive
from edgekit.dataset.folders import Member, found_in, is_picture
from edgekit.dataset.idx import read_idx
from edgekit.dataset.image_set import PictureSet
from edgekit.dataset.listing import Entry, Found, Split, Wanted
from edgekit.dataset.table import TABLE, read_table
from edgekit.errors import DataError, listed, unknown

# The splits whose pictures are meant, by what is asked for.
_WANTED: dict[str, tuple[Split | None, ...]] = {
    "train": ("train",),
    "val": ("val",),
    "held-out": ("val", None),
    "all": ("train", "val", None),
}


def read(path: str | os.PathLike[str], split: str, *, truth: str | os.PathLike[str] | None = None) -> PictureSet:
    """The `split` of the data set at `path`: "train", "val", "all", or "held-out" (val, or all where nothing is split).

    path: a folder with train/ and val/ (or test/), each of one folder for each class; a tar, tar.gz or zip of such; a
    folder of MNIST-style idx files; a CSV of file,label, or a folder with a labels.csv. truth: such a CSV that lies
    elsewhere, for the pictures of the folder `path`. Classes are those of the whole
    data set (of its train, if it has one), in the order of their names, numbers in theirs. "all" is every picture, of
    one folder for each class as well. Raises DataError saying what was found.
    """
    root = Path(path)
    if split not in _WANTED:
        raise DataError(unknown("split", split, _WANTED))
    wanted = _WANTED[split]
    found = _found(root, lambda own: own in wanted) if truth is None else _told(root, Path(truth))
    if split == "held-out" and any(entry.split == "val" for entry in found.entries):
        wanted = ("val",)
    entries = [entry for entry in found.entries if entry.split in wanted]
    if not entries:
        raise DataError(f"{root}: {_lacks(found, split)}")
    known = [entry for entry in found.entries if entry.split == "train"] if wanted == ("val",) else entries
    keys = _keys(found, known or entries)
    _check_known(root, entries, keys)
    return _picture_set(found, entries, keys)


def read_held_out(path: str | os.PathLike[str]) -> PictureSet:
    """The val pictures, by which a model is judged; all of them where the data has no splits."""
    found = _found(Path(path), lambda split: False)
    return read(path, "all" if found.entries and all(entry.split is None for entry in found.entries) else "val")


def read_both(
    path: str | os.PathLike[str], *, val_fraction: float = 0.0, seed: int = 0
) -> tuple[PictureSet, PictureSet]:
    """The training and the validation pictures, with the same classes.

    Where the data has no val of its own, `val_fraction` of each class is drawn for it by the seed, at least one picture
    of each. Raises DataError for what cannot be trained on: a val class unknown to train, a class without pictures,
    one class only, no val.
    """
    root = Path(path)
    found = _found(root, lambda split: True)
    if found.empty:
        empty = listed(map(repr, found.empty))
        raise DataError(f"{root}: no pictures in {empty}; fill or delete each class without pictures")
    training = [entry for entry in found.entries if entry.split != "val"]
    validation = [entry for entry in found.entries if entry.split == "val"]
    if not training:
        raise DataError(f"{root}: {_lacks(found, 'train')}")
    keys = _keys(found, training)
    _check_trainable(root, found, training, keys)
    if validation and val_fraction:
        raise DataError(f"{root}: has val pictures of its own; leave val_fraction out")
    if not validation:
        if not val_fraction:
            raise DataError(f"{root}: {_lacks(found, 'val')}; val_fraction 0.2 keeps a fifth of each class for it")
        training, validation = _divided(root, training, val_fraction, seed)
    _check_known(root, validation, keys)
    return _picture_set(found, training, keys), _picture_set(found, validation, keys)


def _found(root: Path, wanted: Wanted) -> Found:
    if root.is_dir():
        return read_idx(root, wanted) or _read_folder(root)
    if not root.exists():
        raise DataError(f"{root}: no such folder or file")
    if root.suffix.lower() == ".csv":
        return read_table(root)
    found = read_archive(root, wanted)
    if found is None:
        raise DataError(f"{root}: neither a folder, nor a tar or zip archive, nor a .csv table")
    return found


def _told(root: Path, truth: Path) -> Found:
    if not root.is_dir():
        raise DataError(f"{root}: a table of truth goes with a folder of pictures, which this is not")
    return read_table(truth, folder=root)


def _read_folder(root: Path) -> Found:
    if (root / TABLE).is_file():
        return read_table(root / TABLE)
    members, folders = [], []
    for parent, names, files in os.walk(root, followlinks=True):
        inside = PurePosixPath(Path(parent).relative_to(root).as_posix())
        names[:] = [name for name in names if not name.startswith(".")]
        folders += [inside / name for name in names]
        members += [Member(inside / name, Path(parent, name)) for name in files if is_picture(inside / name)]
    return found_in(members, folders)


def _keys(found: Found, entries: Iterable[Entry]) -> tuple[str, ...]:
    """The keys of the classes, in the order of their indexes."""
    return found.order or tuple(sorted({entry.class_key for entry in entries}))


def _picture_set(found: Found, entries: Iterable[Entry], keys: Sequence[str]) -> PictureSet:
    index = {key: number for number, key in enumerate(keys)}
    ordered = list(entries)
    return PictureSet(
        tuple(found.titles.get(key, key) for key in keys),
        [entry.source for entry in ordered if entry.source is not None],
        tuple(entry.name for entry in ordered),
        tuple(index[entry.class_key] for entry in ordered),
    )


def _divided(root: Path, entries: Sequence[Entry], fraction: float, seed: int) -> tuple[list[Entry], list[Entry]]:
    """(training, validation): of each class the same share, drawn by the seed from its pictures in order of names."""
    by_class: dict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.name):
        by_class[entry.class_key].append(entry)
    training: list[Entry] = []
    validation: list[Entry] = []
    for number, key in enumerate(sorted(by_class)):
        members = by_class[key]
        if len(members) < 2:
            raise DataError(f"{root}: class {key!r} has one picture only, which cannot be both for train and for val")
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        drawn = set(np.random.default_rng((seed, number)).permutation(len(members))[:count].tolist())
        for position, entry in enumerate(members):
            (validation if position in drawn else training).append(entry)
    return training, validation


def _check_trainable(root: Path, found: Found, training: Sequence[Entry], keys: Sequence[str]) -> None:
    present = {entry.class_key for entry in training}
    absent = [found.titles.get(key, key) for key in keys if key not in present]
    if absent:
        raise DataError(f"{root}: no training pictures of {listed(map(repr, absent))}")
    if len(keys) < 2:
        raise DataError(
            f"{root}: one class only ({found.titles.get(keys[0], keys[0])!r}); there is nothing to tell apart"
        )


def _check_known(root: Path, entries: Iterable[Entry], keys: Sequence[str]) -> None:
    strange = sorted({entry.class_key for entry in entries}.difference(keys))
    if strange:
        raise DataError(f"{root}: val has classes that train does not have: {listed(map(repr, strange))}")


def _lacks(found: Found, split: str) -> str:
    """What is missing of the data set, by what there is."""
    if not found.entries:
        return "no pictures in folders named by their classes, no idx files, no labels.csv"
    there = sorted({entry.split or "CLASS" for entry in found.entries})
    return f"no {split} pictures, only those in {', '.join(f'{name}/' for name in there)}"
