"""Finding shards: by a file, folder, pattern, numbers in braces, or the URI of an object store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePath

from edgekit.errors import DataError, check_types, listed, quote
from edgekit.image.formats import is_image_name
from edgekit.shards.layout import ShardLayout
from edgekit.shards.shard import Shard, kind_of, suffix_of
from edgekit.shards.stores import Store, StoredFile, is_uri, local_path, open_store, shown, split_query
from edgekit.walk import walk

_MAX_SHARDS = 100_000
_MAGIC = re.compile(r"[*?[]")
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")
_WEB = ("http://", "https://")


def find_shards(source: str, *, layout: ShardLayout = ShardLayout()) -> tuple[Shard, ...]:  # noqa: B008  (frozen)
    """Find the shards behind a name, in natural order (2 before 10).

    Args:
        source: a tar file (.tar, .tar.gz) or Parquet file (.parquet); a folder of one of the two kinds; a pattern with
            *, ?, [...] or **; a name with numbers in braces, as "train-{000..099}.tar", or words, as "{train,val}.tar";
            or the same as a URI, such as "s3://bucket/train".
        layout: which columns of Parquet files are read, and names of classes.

    Raises:
        DataError: there are no shards, one of those named in braces is absent, a folder has shards of both kinds, or
            the store cannot be read.

    Example:
        >>> from edgekit.shards import find_shards
        >>> [shard.name for shard in find_shards("shards/val-{000..001}.tar")]
        ['val-000', 'val-001']
    """
    check_types(str, source=source)
    check_types(ShardLayout, layout=layout)
    source = _without_file_scheme(source)
    store = open_store(source)
    if _BRACES.search(source):
        files = _of_braces(source, store)
    elif store.is_folder(source):
        files = _shards_in(store.files(source), source)
    elif _MAGIC.search(split_query(source)[0]) and store.size_bytes(source) is None:
        files = _matching(source, store)
    else:
        file = store.file(source)
        if file is None:
            raise DataError(f"{shown(source)}: no such file or folder")
        files = [file]
    return tuple(Shard(kind=kind_of(file.path), layout=layout, **file._asdict()) for file in files)


def is_shard_source(source: str) -> bool:
    """Return whether a name stands for shards: by its extension, as a URI, or as a folder with shards and no images.

    Args:
        source: as for `find_shards`.
    """
    source = _without_file_scheme(source)
    if is_uri(source):
        return not source.lower().startswith(_WEB)
    if suffix_of(source) is not None:
        return True
    has_shards = False
    for item in walk(source) if PurePath(source).name else ():
        if not item.is_folder and is_image_name(item.path):
            return False
        has_shards = has_shards or (not item.is_folder and suffix_of(item.path) is not None)
    return has_shards


def is_pattern(source: str) -> bool:
    """Return whether a name stands for several files: it has braces, or *, ? or [...].

    Args:
        source: as for `find_shards`.
    """
    return bool(_BRACES.search(source) or _MAGIC.search(split_query(source)[0]))


def _without_file_scheme(source: str) -> str:
    local = local_path(source) if is_uri(source) else None
    return source if local is None else str(local)


def _of_braces(source: str, store: Store) -> list[StoredFile]:
    """The named files, all of which must exist; of an object store, each folder is listed once."""
    names = _expanded(source)
    listed_files: dict[str, StoredFile] = {}
    if is_uri(source):
        folder, query = split_query(source[: source.index("{")].rpartition("/")[0])[0], split_query(source)[1]
        listed_files = {file.path: file for file in store.files(folder + query)}
    files = []
    for name in names:
        file = listed_files.get(name) if is_uri(source) else store.file(name)
        if file is None:
            raise DataError(f"{shown(name)}: no such file, but {quote(shown(source))} names it")
        files.append(file)
    return files


def _expanded(source: str) -> list[str]:
    """Replace braces by the numbers or words that they stand for."""
    pending, names = [source], []
    while pending:
        name = pending.pop()
        match = _BRACES.search(name)
        if match is None:
            names.append(name)
            continue
        words = list(_words(match[1], source))
        pending += [name[: match.start()] + word + name[match.end() :] for word in reversed(words)]
        if len(pending) + len(names) > _MAX_SHARDS:
            raise DataError(f"{quote(shown(source))} names more than {_MAX_SHARDS} shards")
    return names


def _words(inner: str, source: str) -> Iterator[str]:
    span = _RANGE.fullmatch(inner)
    if span is None:
        if "," not in inner:
            raise DataError(
                f"braces must contain numbers, as {{000..099}}, or words, as {{train,val}} (got {quote(shown(source))})"
            )
        yield from inner.split(",")
        return
    low, high = int(span[1]), int(span[2])
    if high < low or high - low >= _MAX_SHARDS:
        raise DataError(f"{quote(shown(source))}: the numbers in braces must ascend, at most {_MAX_SHARDS} of them")
    width = len(span[1]) if span[1].startswith("0") else 0
    yield from (f"{number:0{width}}" for number in range(low, high + 1))


def _matching(source: str, store: Store) -> list[StoredFile]:
    """The shards that match a pattern."""
    bare, query = split_query(source)
    parts = bare.split("/") if is_uri(source) else list(PurePath(source).parts)
    plain = next(number for number, part in enumerate(parts) if _MAGIC.search(part))
    if is_uri(source) and plain < 3:
        raise DataError(f"{shown(source)}: the name of a bucket cannot be a pattern")
    folder = "/".join(parts[:plain]) + query if is_uri(source) else str(PurePath(*parts[:plain] or (".",)))
    wanted = tuple(parts[plain:])
    files = [file for file in store.files(folder) if _matches(_below(file.path, folder), wanted)]
    return _shards_in(files, source)


def _below(path: str, folder: str) -> tuple[str, ...]:
    """The parts of a path below a folder."""
    path, folder = split_query(path)[0], split_query(folder)[0]
    parts, above = (
        (path.split("/"), folder.rstrip("/").split("/"))
        if is_uri(path)
        else (
            list(PurePath(path).parts),
            list(PurePath(folder).parts),
        )
    )
    return tuple(parts[len(above) :])


def _matches(parts: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(_matches(parts[begin:], wanted[1:]) for begin in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _matches(parts[1:], wanted[1:])


def _shards_in(files: list[StoredFile], source: str) -> list[StoredFile]:
    """The files that are shards; all must be of one kind."""
    shards = [file for file in files if suffix_of(file.path) and not _is_private(file.path, source)]
    if not shards:
        raise DataError(f"{shown(source)}: no .tar, .tar.gz or .parquet files")
    kinds = {kind_of(file.path): file.path for file in shards}
    if len(kinds) > 1:
        examples = listed(quote(shown(path)) for path in sorted(kinds.values()))
        raise DataError(f"{shown(source)}: has tar and Parquet files, such as {examples}; pass a pattern for one kind")
    return shards


def _is_private(path: str, source: str) -> bool:
    """Whether a name below the source begins with _: what Spark and others leave behind while they write."""
    root = split_query(source)[0]
    root = root[: m.start()] if (m := _MAGIC.search(root)) else root
    return any(part.startswith("_") for part in split_query(path)[0].removeprefix(root).replace("\\", "/").split("/"))
