"""What the classes of a data set must be so that it is read as its owner means it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgekit.dataset.listing import Entry, Listing
from edgekit.errors import DataError, DataWarning, is_unicode, listed, quote
from edgekit.labels import similar_names, similar_pairs

_MOST = 3  # pairs of names in one message


def present(entries: Iterable[Entry]) -> set[str]:
    """Return the keys of the classes that images have."""
    return {key for entry in entries for key in entry.class_keys}


def require_trainable(root: Path | str, listing: Listing, training: Sequence[Entry], keys: Sequence[str]) -> None:
    """Raise DataError unless there are two classes or more, all of them with training images.

    Args:
        root: the data set, for messages.
        listing: the data set.
        training: its training images.
        keys: of the classes.
    """
    if listing.empty_folders:
        empty = listed(map(quote, listing.empty_folders))
        raise DataError(f"{root}: no images in {empty}; add images or delete the folders")
    absent = _absent(listing, training, keys)
    if absent:
        raise DataError(f"{root}: no training images of class {absent}")
    if len(keys) < 2:
        name = listing.class_names.get(keys[0], keys[0])
        raise DataError(f"{root}: has only one class ({quote(name)}); a classifier needs at least two")


def require_known_classes(root: Path | str, entries: Iterable[Entry], keys: Sequence[str]) -> None:
    """Raise DataError if images have other classes than these; names that are almost equal are named together.

    Args:
        root: the data set, for messages.
        entries: the images.
        keys: of the classes of the training images.
    """
    unknown_classes = sorted(present(entries).difference(keys))
    if unknown_classes:
        pairs = similar_pairs(unknown_classes, keys)
        hint = f"; {listed((f'{quote(a)} may be {quote(b)}' for a, b in pairs), most=_MOST)}" if pairs else ""
        raise DataError(
            f"{root}: val has classes that train does not have: {listed(map(quote, unknown_classes))}{hint}"
        )


def check_names(root: Path | str, names: Sequence[str]) -> None:
    """Raise DataError for names that no file can store; warn of almost equal ones, which are probably meant to be one.

    Args:
        root: the data set, for messages.
        names: of its classes.
    """
    undecodable = [quote(name) for name in names if not is_unicode(name)]
    if undecodable:
        raise DataError(f"{root}: names of classes must be in UTF-8 (got {listed(undecodable)}); rename the folders")
    groups = similar_names(names)
    if groups:
        shown = listed((" and ".join(map(quote, group)) for group in groups), most=_MOST, separator="; ")
        warnings.warn(
            f"{root}: classes whose names differ only in case, blanks, hyphens or underscores stay apart: {shown}",
            DataWarning,
            stacklevel=2,
        )


def warn_of_classes_without_images(
    root: Path | str, listing: Listing, validation: Sequence[Entry], keys: Sequence[str]
) -> None:
    """Warn of classes that no accuracy says anything about.

    Args:
        root: the data set, for messages.
        listing: the data set.
        validation: its validation images.
        keys: of the classes.
    """
    absent = _absent(listing, validation, keys)
    if absent:
        message = f"{root}: no val images of class {absent}; the measured accuracy says nothing about them"
        warnings.warn(message, DataWarning, stacklevel=2)


def _absent(listing: Listing, entries: Iterable[Entry], keys: Sequence[str]) -> str | None:
    """The names of the classes that no image has; None if there is no such class."""
    having = present(entries)
    names = [listing.class_names.get(key, key) for key in keys if key not in having]
    return listed(map(quote, names)) if names else None
