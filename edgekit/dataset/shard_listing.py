"""Images in tar and Parquet shards, sorted into splits and classes; only keys and labels are read."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from edgekit.dataset.folders import SPLIT_KINDS, Member, list_by_folders, split_kind, split_kind_in
from edgekit.dataset.listing import Entry, Listing, Split, Splits
from edgekit.errors import DataError, listed, quote
from edgekit.label_files import MAX_LABELS_BYTES, parse_labels
from edgekit.shards.find import find_shards
from edgekit.shards.layout import ShardLayout
from edgekit.shards.reader import ShardReader
from edgekit.shards.record import Label, ShardIndex
from edgekit.shards.shard import Shard
from edgekit.shards.stores import is_uri, join, open_store, parent, shown, split_query

_NAMES_FILE = "classes.txt"


class _Part(NamedTuple):
    """A shard, its name below the folder that all shards share, and its split."""

    shard: Shard
    name: str
    split: Split | None


def list_shards(source: str, splits: Splits, layout: ShardLayout) -> Listing:
    """List the images of shards.

    The split of a shard is that which a folder above it names, or one word of its file name, as in
    train-00000-of-00001.parquet. Labels lie beside the images; in tar files without any, the folders in the names of
    the members are the classes, as in an archive of an image folder.

    Args:
        source: as for `find_shards`.
        splits: which splits' images are listed. The others are too, unless the classes are known without them.
        layout: which columns are read, and names of classes.

    Raises:
        DataError: there are no shards, one cannot be read, or splits or labels are not clear.
        SpecError: the layout names a column, but no shard is a Parquet file.
    """
    shards = find_shards(source, layout=layout)
    layout.check_used(shard.kind for shard in shards)
    folder = source if open_store(source).is_folder(source) else None
    source = shown(source)
    parts, left_out = _parts(shards, source)
    stated = layout.class_names or _names_beside(folder, shards)
    if stated is not None:
        parts = [part for part in parts if part.split in splits] or parts
    indexes = [part.shard.index() for part in parts]
    class_names = _class_names(source, indexes, stated, is_chosen=layout.class_names is not None)
    reader = ShardReader()
    if not any(label is not None for index in indexes for label in index.labels):
        listing = _list_by_folders(source, parts, indexes, reader)
        return dataclasses.replace(listing, left_out=listing.left_out or left_out)
    entries = [
        Entry(part.split, (_class_key(label, class_names, name),), name, index.image(number, reader))
        for part, index in zip(parts, indexes, strict=True)
        for number, (name, label) in enumerate(_labeled(part, index))
    ]
    return _numbered(source, entries, indexes, class_names, left_out)


def _numbered(
    source: str,
    entries: list[Entry],
    indexes: Sequence[ShardIndex],
    class_names: tuple[str, ...] | None,
    left_out: tuple[str, ...],
) -> Listing:
    """Order the classes by their numbers, if they have any."""
    kinds = {type(label) for index in indexes for label in index.labels}
    if len(kinds) > 1:
        raise DataError(f"{source}: the labels must be all integers or all text; both occur")
    keys = None
    if class_names is not None:
        keys = tuple(map(str, range(len(class_names)))) if kinds == {int} else class_names
    elif kinds == {int}:
        keys = tuple(sorted({entry.class_keys[0] for entry in entries}, key=int))
    names = dict(zip(keys or (), class_names, strict=True)) if class_names is not None and kinds == {int} else {}
    return Listing(entries=entries, class_order=keys, class_names=names, left_out=left_out)


def _labeled(part: _Part, index: ShardIndex) -> Iterator[tuple[str, Label]]:
    """The name and label of each record. Raises DataError for one without a label."""
    for member, label in zip(index.names, index.labels, strict=True):
        if label is None:
            where = "beside it (.cls, .json or .txt with the same key)" if part.shard.kind == "tar" else "in its row"
            raise DataError(f"{part.shard.shown_path}: {quote(member)} has no label {where}, but other images have one")
        yield f"{part.name}/{member}", label


def _class_key(label: Label, class_names: tuple[str, ...] | None, name: str) -> str:
    """What identifies the class in the listing."""
    if isinstance(label, str):
        label = unicodedata.normalize("NFC", label)
        if class_names is not None and label not in class_names:
            raise DataError(f"{name}: the label {quote(label)} is not among the {len(class_names)} class names")
        return label
    if label < 0:
        raise DataError(f"{name}: the label must be at least 0 (got {label}); test sets without labels often have -1")
    if class_names is not None and label >= len(class_names):
        raise DataError(f"{name}: the label is {label}, but there are {len(class_names)} class names")
    return str(label)


def _class_names(
    source: str, indexes: Sequence[ShardIndex], stated: tuple[str, ...] | None, *, is_chosen: bool
) -> tuple[str, ...] | None:
    """The names that the caller, a file beside the shards, or the shards state; these may not contradict each other."""
    if is_chosen:
        return stated
    names = {index.class_names: index.shard.shown_path for index in indexes if index.class_names is not None}
    if stated is not None:
        names.setdefault(stated, _NAMES_FILE)
    if len(names) > 1:
        raise DataError(
            f"{source}: different names of the classes in {listed(map(quote, names.values()), most=2)}; set "
            f"`class_names`"
        )
    return next(iter(names), None)


def _names_beside(root: str | None, shards: Sequence[Shard]) -> tuple[str, ...] | None:
    """The names in classes.txt in the root, a folder of shards, or that which they share; None without the file."""
    folders = {parent(shard.path) for shard in shards} | {_shared_folder([shard.path for shard in shards])}
    found: dict[tuple[str, ...], str] = {}
    for folder in sorted(folders | ({root} if root is not None else set())):
        path = join(folder, _NAMES_FILE)
        store = open_store(path)
        if store.size_bytes(path) is not None:
            found.setdefault(parse_labels(store.read(path, max_bytes=MAX_LABELS_BYTES), shown(path)), shown(path))
    if len(found) > 1:
        raise DataError(f"{listed(map(quote, found.values()), most=2)} name different classes; keep one of them")
    return next(iter(found), None)


def _shared_folder(paths: Sequence[str]) -> str:
    """The lowest folder that contains all of the files."""
    folders = [split_query(parent(path))[0].replace("\\", "/").split("/") for path in paths]
    depth = 0
    while all(len(folder) > depth for folder in folders) and len({folder[depth] for folder in folders}) == 1:
        depth += 1
    bare = "/".join(folders[0][:depth])
    return bare + split_query(paths[0])[1] if is_uri(paths[0]) else bare or ("/" if paths[0].startswith("/") else ".")


def _parts(shards: Sequence[Shard], source: str) -> tuple[list[_Part], tuple[str, ...]]:
    """The shards of the splits that are used, and the names of the splits that are not."""
    shared = split_query(_shared_folder([shard.path for shard in shards]))[0]
    names = [_below(shard.path, shared) for shard in shards]
    kinds = [_kind(name) for name in names]
    if None in kinds and any(kinds):
        unclear = [name for name, kind in zip(names, kinds, strict=True) if kind is None]
        clear = [name for name, kind in zip(names, kinds, strict=True) if kind is not None]
        raise DataError(
            f"{source}: {quote(clear[0])} is named like a split, but {quote(unclear[0])} is not; pass a pattern for "
            f"the shards of one kind"
        )
    used = {next((kind for kind in of_split if kind in kinds), None): s for s, of_split in SPLIT_KINDS.items()}
    parts = [
        _Part(shard, name, used.get(kind) if kind else None)
        for shard, name, kind in zip(shards, names, kinds, strict=True)
        if kind is None or kind in used
    ]
    return parts, tuple(sorted({kind for kind in kinds if kind is not None and kind not in used}))


def _below(path: str, shared: str) -> str:
    bare = split_query(path)[0].replace("\\", "/")
    return bare.removeprefix(shared if shared != "." else "").lstrip("/")


def _kind(name: str) -> str | None:
    """The kind of split that a folder of a shard's path names, else its file name; None if neither does."""
    *folders, file_name = name.split("/")
    kinds = [kind for folder in folders if (kind := split_kind(folder)) is not None]
    return kinds[0] if kinds else split_kind_in(file_name)


def _list_by_folders(
    source: str, parts: Sequence[_Part], indexes: Sequence[ShardIndex], reader: ShardReader
) -> Listing:
    """Take the folders in the names of the members for classes, and those above them for splits."""
    if any(part.shard.kind == "parquet" for part in parts):
        raise DataError(f"{source}: has no column of labels; set `label_column`")
    members = [
        Member(PurePosixPath(part.split or "", name), index.image(number, reader))
        for part, index in zip(parts, indexes, strict=True)
        for number, name in enumerate(index.names)
    ]
    listing = list_by_folders(members, (), root=source)
    if not listing.entries:
        raise DataError(
            f"{source}: the images have no labels: neither .cls, .json or .txt files beside them, nor class folders"
        )
    return listing
