"""Where shards lie: local folders, or an object store behind the same operations."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, Protocol

from edgekit.errors import DataError, check_types, quote
from edgekit.files import atomic_file, check_regular_file, read_regular_file, write_atomically
from edgekit.walk import natural, walk

_SCHEME = re.compile("([A-Za-z][A-Za-z0-9+.-]+)://")
_LOCAL = ("file", "local")
_WEB = ("http", "https", "ftp", "ftps")


class StoredFile(NamedTuple):
    """A file in a store.

    Attributes:
        path: local path or full URI.
        size_bytes: its size.
        modified_ns: when it was written, in nanoseconds since 1970; None if the store does not tell.
    """

    path: str
    size_bytes: int
    modified_ns: int | None = None


class Store(Protocol):
    """Files by their local paths or full URIs. A store has no open connections when it is pickled.

    Every method raises DataError, in one line, for what cannot be reached, read or written.
    """

    def files(self, folder: str) -> list[StoredFile]:
        """List the files in a folder and its subfolders, in natural order; hidden ones are left out."""

    def file(self, path: str) -> StoredFile | None:
        """Return what is known of a file, or None if there is no such file."""

    def size_bytes(self, path: str) -> int | None:
        """Return the size of a file, or None if there is no such file."""

    def is_folder(self, path: str) -> bool:
        """Return whether a folder, or anything whose name begins with `path/`, exists."""

    def read(self, path: str, *, max_bytes: int) -> bytes:
        """Read a whole file of at most `max_bytes`."""

    def read_range(self, path: str, offset: int, size: int) -> bytes:
        """Read `size` bytes from `offset`; fewer only if the file ends before."""

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading in any order."""

    def write(self, path: str, data: bytes) -> None:
        """Write a file so that readers see all of it or nothing."""

    def writing(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file to write; readers see it when the block ends, and never if it raises."""

    def remove(self, path: str) -> None:
        """Delete a file; it may be absent."""


def is_uri(text: str) -> bool:
    """Return whether the text is a URI such as s3://bucket/folder, and not a local path.

    Args:
        text: path or URI.
    """
    return _SCHEME.match(text) is not None


def open_store(path: str) -> Store:
    """Return the store that a path or URI belongs to; nothing is connected yet.

    Args:
        path: a local path, or a URI. pyarrow reaches s3, gs and abfss; other schemes need fsspec and its package for
            the scheme.

    Raises:
        DataError: the scheme is http or https, whose servers have no folders, or no file can have the name.

    Example:
        >>> from edgekit.shards import open_store
        >>> open_store("photos").size_bytes("photos/val/nut/000.jpg") > 0
        True
    """
    check_types(str, path=path)
    if "\0" in path:
        raise DataError(f"no file has a name with NUL characters (got {quote(path)})")
    scheme = _SCHEME.match(path)
    if scheme is None or scheme[1].lower() in _LOCAL:
        return LocalStore()
    if scheme[1].lower() in _WEB:
        raise DataError(
            f"{shown(path)}: shards cannot be read by {scheme[1].lower()}; download them, or use the scheme of the "
            f"store, such as s3:// or gs://"
        )
    from edgekit.shards.object_store import ObjectStore  # here, because local files need no pyarrow

    return ObjectStore.of(path)


def local_path(path: str) -> Path | None:
    """Return the local path of a path or file:// URI; None for an object store's.

    Args:
        path: a local path or a URI.
    """
    scheme = _SCHEME.match(path)
    return Path(_local(path)) if scheme is None or scheme[1].lower() in _LOCAL else None


def parent(path: str) -> str:
    """The folder of a file, without a slash at its end; a URI keeps its query."""
    bare, query = split_query(path)
    return (bare.rpartition("/")[0] if is_uri(bare) else str(Path(bare).parent)) + query


def join(folder: str, name: str) -> str:
    """The path of a file in a folder, local or URI.

    Args:
        folder: local path or URI.
        name: relative to it, with slashes.
    """
    bare, query = split_query(folder)
    return f"{bare.rstrip('/')}/{name}{query}" if is_uri(bare) else str(Path(bare, name))


def split_query(path: str) -> tuple[str, str]:
    """A URI without the options at its end (?region=eu-west-1), and these. A local path has none."""
    match = re.fullmatch(r"(.+?)(\?\w+=.*)", path, re.DOTALL) if is_uri(path) else None
    return (match[1], match[2]) if match else (path, "")


def shown(path: str) -> str:
    """A path for messages and names: without the options of a URI and a password in it, which may be secret."""
    return re.sub(r"(?<=://)[^/@]*:(?!\d+/)[^@]*@", "", split_query(path)[0])  # digits: the port of a server


def in_natural_order(files: Sequence[StoredFile]) -> list[StoredFile]:
    """Sort files by path: 2 before 10."""
    return sorted(sorted(files), key=lambda file: [natural(part) for part in file.path.split("/")])


class LocalStore:
    """Files of this machine."""

    def files(self, folder: str) -> list[StoredFile]:
        """As in `Store`."""
        found = []
        for item in walk(_local(folder)):
            if item.error is not None:
                raise DataError(f"{item.path}: the folder cannot be read: {item.error}")
            if not item.is_folder and (file := self.file(item.path)) is not None:
                found.append(file)
        return found

    def file(self, path: str) -> StoredFile | None:
        """As in `Store`."""
        try:
            state = Path(_local(path)).stat()
        except (OSError, ValueError):
            return None
        return StoredFile(path, state.st_size, state.st_mtime_ns) if stat.S_ISREG(state.st_mode) else None

    def size_bytes(self, path: str) -> int | None:
        """As in `Store`."""
        file = self.file(path)
        return None if file is None else file.size_bytes

    def is_folder(self, path: str) -> bool:
        """As in `Store`."""
        return os.path.isdir(_local(path))  # noqa: PTH112  (it never raises, whatever the name)

    def read(self, path: str, *, max_bytes: int) -> bytes:
        """As in `Store`."""
        return read_regular_file(_local(path), max_bytes=max_bytes, error=DataError)

    def read_range(self, path: str, offset: int, size: int) -> bytes:
        """As in `Store`."""
        with self.open(path) as file:
            try:
                file.seek(offset)
                return file.read(size)
            except (OSError, ValueError) as error:
                raise DataError(f"{path}: cannot be read: {error}") from None

    def open(self, path: str) -> BinaryIO:
        """As in `Store`."""
        check_regular_file(_local(path), error=DataError)
        try:
            return Path(_local(path)).open("rb")
        except OSError as error:
            raise DataError(f"{path}: cannot be opened: {error.strerror or error}") from None

    def write(self, path: str, data: bytes) -> None:
        """As in `Store`."""
        write_atomically(Path(_local(path)), data)

    def writing(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """As in `Store`."""
        return atomic_file(Path(_local(path)))

    def remove(self, path: str) -> None:
        """As in `Store`."""
        try:
            Path(_local(path)).unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"{path}: cannot be deleted: {error.strerror or error}") from None


def _local(path: str) -> str:
    """The local path of a file:// URI; other paths unchanged."""
    if not is_uri(path):
        return path
    from urllib.parse import unquote

    host, slash, rest = path.partition("://")[2].partition("/")
    if host not in ("", "localhost"):
        raise DataError(f"a file URI must have three slashes, as file:///data/train.tar (got {quote(path)})")
    return unquote(slash + rest)
