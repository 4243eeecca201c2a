"""The forms in which a data set may lie at a path, and the listing of its images in any of them."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path, PurePosixPath

from edgekit.dataset.archive import read_archive
from edgekit.dataset.folders import Member, list_by_folders
from edgekit.dataset.idx import read_idx
from edgekit.dataset.listing import Listing, Splits
from edgekit.dataset.shard_listing import list_shards
from edgekit.dataset.table import TABLE_NAME, read_table
from edgekit.errors import DataError, SpecError
from edgekit.image.formats import is_image_name
from edgekit.shards.find import find_shards, is_pattern, is_shard_source
from edgekit.shards.layout import ShardLayout
from edgekit.shards.shard import kind_of, suffix_of
from edgekit.shards.stores import is_uri, local_path, shown
from edgekit.shards.tar_shard import has_labels
from edgekit.walk import walk

TRUTH_NEEDS_FOLDER = "{}: not a folder; `truth` can only be used with a folder of images"


def dataset_root(path: str | os.PathLike[str]) -> Path | str:
    """The path; as text if it is that of shards in an object store, or stands for several shards."""
    name = os.fspath(path)
    local = local_path(name) if is_uri(name) else None
    name = name if local is None else str(local)
    return name if is_uri(name) or (is_pattern(name) and not Path(name).exists()) else Path(name)


def shown_root(root: Path | str) -> Path | str:
    """The root for messages: without the options of a URI, which may be secret."""
    return shown(root) if isinstance(root, str) else root


def list_images(root: Path | str, splits: Splits, layout: ShardLayout) -> Listing:
    """List the images of a data set in any form. Sources of splits that are not requested may be left out."""
    if layout != ShardLayout() and not _is_in_shards(root):
        raise SpecError(f"{root}: columns and class names can be chosen for images in shards only, but it has none")
    if isinstance(root, str):
        return list_shards(root, splits, layout)
    if root.is_dir():
        return read_idx(root, splits) or _list_folder(root, splits, layout)
    if not root.exists():
        raise DataError(f"{root}: no such folder or file")
    if not root.is_file():
        raise DataError(f"{root}: not a folder or a regular file")
    if root.suffix.lower() == ".csv":
        return read_table(root)
    if _is_shard(root):
        return list_shards(str(root), splits, layout)
    listing = read_archive(root, splits)
    if listing is not None and not listing.entries and suffix_of(str(root)) is not None:
        (shard,) = find_shards(str(root))
        if any(record.label is not None for record in islice(shard.read(), 1)):
            shard.index()  # raises: it is compressed
    if listing is None:
        raise DataError(f"{root}: not a folder, a tar or zip archive, a .parquet file or a .csv table")
    return listing


def _is_in_shards(root: Path | str) -> bool:
    return isinstance(root, str) or (is_shard_source(str(root)) if root.is_dir() else _is_shard(root))


def _is_shard(file: Path) -> bool:
    is_named_so = suffix_of(str(file)) is not None and file.is_file()
    return is_named_so and (kind_of(str(file)) == "parquet" or has_labels(file))


def list_by_truth(root: Path | str, truth: Path) -> Listing:
    if isinstance(root, str) or not root.is_dir():
        raise DataError(TRUTH_NEEDS_FOLDER.format(root))
    return read_table(truth, folder=root)


def _list_folder(root: Path, splits: Splits, layout: ShardLayout) -> Listing:
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
    if not members and is_shard_source(str(root)):
        return list_shards(str(root), splits, layout)
    return list_by_folders(members, folders, root=str(root))
