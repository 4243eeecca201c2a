"""Reading data sets from a path: one split, or the training and validation images with the same classes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from math import inf
from pathlib import Path

import numpy as np

from edgekit.dataset.class_checks import (
    check_names,
    present,
    require_known_classes,
    require_trainable,
    warn_of_classes_without_images,
)
from edgekit.dataset.forms import TRUTH_NEEDS_FOLDER, dataset_root, list_by_truth, list_images, shown_root
from edgekit.dataset.image_set import ImageSet
from edgekit.dataset.listing import Entry, Listing, Split
from edgekit.dataset.table import TABLE_NAME
from edgekit.dataset.validation_split import draw_validation
from edgekit.errors import DataError, check_types, quote, unknown
from edgekit.image.formats import is_image_name
from edgekit.shards.layout import ShardLayout
from edgekit.walk import walk

# Which entries belong to the requested split.
_SPLITS: dict[str, tuple[Split | None, ...]] = {
    "train": ("train",),
    "val": ("val",),
    "held-out": ("val", None),
    "all": ("train", "val", None),
}


def read(
    path: str | os.PathLike[str],
    split: str,
    *,
    truth: str | os.PathLike[str] | None = None,
    layout: ShardLayout = ShardLayout(),  # noqa: B008  (frozen)
) -> ImageSet:
    """Read one split of a data set.

    The classes are those of the training images if the data set has any, else those of all images: sorted by name (as
    text: 10 before 2), those of idx files and `class_index` by number.

    Args:
        path: a folder CLASS/image, or SPLIT/CLASS/image with splits train and val (or test); a tar, tar.gz or zip
            archive of such a folder; a folder of MNIST-style idx files; a CSV table of file,label, or file,labels for
            several labels per image; a folder that contains a table labels.csv; or tar or Parquet shards by their file,
            folder, pattern, numbers in braces ("train-{000..099}.tar") or URI ("s3://bucket/photos").
        split: "train", "val", "all" (every image), or "held-out" (val, or every image if the data has no splits).
        truth: a CSV table of file,label in another place, for the images in the folder `path`.
        layout: which columns of Parquet shards are read, and names of classes that have numbers in shards.

    Returns:
        The images of the split. Those of shards are read when they are needed.

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
    check_types(ShardLayout, layout=layout)
    root = dataset_root(path)
    if not isinstance(split, str) or split not in _SPLITS:
        raise DataError(unknown("split", split, _SPLITS))
    splits = _SPLITS[split]
    listing = list_images(root, splits, layout) if truth is None else list_by_truth(root, Path(truth))
    root = shown_root(root)
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


def read_images(
    path: str | os.PathLike[str],
    *,
    truth: str | os.PathLike[str] | None = None,
    layout: ShardLayout = ShardLayout(),  # noqa: B008  (frozen)
) -> ImageSet:
    """Read all images of a data set, or of a folder that directly contains images.

    Args:
        path: a data set as in `read`, or a folder of images.
        truth: a CSV table of file,label for the images in the folder `path`.
        layout: as in `read`.

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
    root = dataset_root(path)
    if truth is not None:
        table = read(truth, "all")
        if isinstance(root, str) or not root.is_dir():
            raise DataError(TRUTH_NEEDS_FOLDER.format(root))
        return dataclasses.replace(table, sources=[root / name for name in table.names])
    if isinstance(root, Path) and is_bare_folder(root):
        files = sorted(map(Path, _images_in(root)))
        deeper = next((file for file in files if file.parent != root), None)
        if deeper is not None:
            raise DataError(
                f"{root}: has images both directly in it and in folders, such as {quote(str(deeper))}; "
                f"pass a folder that has either images or class folders"
            )
        return ImageSet((), files, tuple(file.name for file in files), (0,) * len(files))
    return read(path, "all", layout=layout)


def is_bare_folder(root: Path) -> bool:
    """Return whether the path is a folder that directly contains images and has no table of their classes."""
    return root.is_dir() and not (root / TABLE_NAME).exists() and any(True for _ in _images_in(root, deepest=1))


def read_held_out(
    path: str | os.PathLike[str],
    *,
    layout: ShardLayout = ShardLayout(),  # noqa: B008  (frozen)
) -> ImageSet:
    """Read the validation images of a data set, or all of them if it has no splits.

    Unlike `read(path, "held-out")`, this fails for a data set that has training images only.

    Args:
        path: a data set as in `read`.
        layout: as in `read`.

    Raises:
        DataError: as in `read`.

    Example:
        >>> from edgekit import dataset
        >>> len(dataset.read_held_out("photos"))
        120
    """
    check_types(str | os.PathLike, path=path)
    entries = list_images(dataset_root(path), (), layout).entries
    return read(path, "all" if entries and all(entry.split is None for entry in entries) else "val", layout=layout)


def read_both(
    path: str | os.PathLike[str],
    *,
    val_fraction: float = 0.0,
    seed: int = 0,
    layout: ShardLayout = ShardLayout(),  # noqa: B008  (frozen)
) -> tuple[ImageSet, ImageSet]:
    """Read the training and the validation images of a data set, with the same classes.

    Args:
        path: a data set as in `read`.
        val_fraction: share of each class to use for validation, 0 to 1 (at least one image), for data without
            validation images of its own.
        seed: same seed, same validation images.
        layout: as in `read`.

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
    root = dataset_root(path)
    listing = list_images(root, _SPLITS["all"], layout)
    root = shown_root(root)
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
        return "no images in class folders, no shards, no idx files and no labels.csv"
    present = sorted({entry.split or "CLASS" for entry in listing.entries})
    return f"no {split} images, only images in {', '.join(f'{name}/' for name in present)}"
