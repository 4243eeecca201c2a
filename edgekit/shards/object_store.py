"""Object stores: S3, Google Cloud Storage and Azure through pyarrow, others through fsspec."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, BinaryIO, cast

from edgekit.errors import DataError, EdgekitError, truncated
from edgekit.optional import require
from edgekit.shards.stores import StoredFile, in_natural_order, shown, split_query
from edgekit.walk import is_system_name

_EXTRA = "bulk"
_ROOT = re.compile("([A-Za-z][A-Za-z0-9+.-]+://(?:[^/@]*:(?!\\d+/)[^@]*@)?[^/]*)/*(.*)", re.DOTALL)
# One upload becomes visible when it is complete. Files of others are written under another name and then renamed.
_ATOMIC_UPLOADS = frozenset({"s3", "gcs", "abfs"})
_GCS_RETRIES = "retry_limit_seconds=15"  # instead of 15 minutes, in which nothing is printed
_WITHOUT_BUCKET = ("s3://", "gs://", "gcs://", "abfs://", "abfss://")
_MAX_REASON = 200
_PIECE_BYTES = 2**23
# What the texts of the stores' errors contain, and what it means.
_REASONS = (
    ("NO_SUCH_BUCKET|bucket does not exist|Bucket .* not found|ContainerNotFound", "no such bucket"),
    (
        "ACCESS_DENIED|AccessDenied|Forbidden|SIGNATURE|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|EXPIRED|Unauthorized|"
        "AuthenticationFailed|UNAUTHENTICATED|PERMISSION_DENIED|credentials|HTTP response code 403",
        "access denied; set the store's credentials in the environment (for s3 AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE)",
    ),
    (
        "connection|could not connect|timed? ?out|resolve host",
        "the store cannot be reached",
    ),
)


class ObjectStore:
    """The objects of one bucket or container.

    Args:
        root: URI without a path, such as s3://bucket?region=eu-west-1.
    """

    def __init__(self, root: str) -> None:
        self._root, self._query = split_query(root)
        self._connected: tuple[int, Any, str] | None = None

    @classmethod
    def of(cls, path: str) -> ObjectStore:
        """The store in which a URI lies."""
        bare, query = split_query(path)
        match = _ROOT.fullmatch(bare)
        root = match[1] if match else bare
        if root.lower() in _WITHOUT_BUCKET:
            raise DataError(f"{shown(path)}: names no bucket; write {root}BUCKET/FOLDER")
        return cls(root + query)

    def __reduce__(self) -> tuple[type[ObjectStore], tuple[str]]:
        return ObjectStore, (self._root + self._query,)

    def files(self, folder: str) -> list[StoredFile]:
        """As in `Store`."""
        arrow = require("pyarrow.fs", extra=_EXTRA)
        base = self._key(folder)
        with self._explained(folder, "listed"):
            infos = self._fs.get_file_info(arrow.FileSelector(base, recursive=True, allow_not_found=True))
        found = []
        for info in infos:
            below = info.path.removeprefix(base).strip("/")
            if info.type == arrow.FileType.File and not any(map(is_system_name, below.split("/"))):
                found.append(_stored_file(self._uri(info.path), info))
        return in_natural_order(found)

    def file(self, path: str) -> StoredFile | None:
        """As in `Store`."""
        info = self._info(path)
        return _stored_file(path, info) if info.type.name == "File" else None

    def size_bytes(self, path: str) -> int | None:
        """As in `Store`."""
        file = self.file(path)
        return None if file is None else file.size_bytes

    def is_folder(self, path: str) -> bool:
        """As in `Store`."""
        return bool(self._info(path).type.name == "Directory")

    def read(self, path: str, *, max_bytes: int) -> bytes:
        """As in `Store`."""
        size = self.size_bytes(path)
        if size is None:
            raise DataError(f"{shown(path)}: no such file")
        if size > max_bytes:
            raise DataError(f"{shown(path)}: {size} bytes, more than the limit of {max_bytes} bytes")
        return self.read_range(path, 0, size)

    def read_range(self, path: str, offset: int, size: int) -> bytes:
        """As in `Store`."""
        with self._explained(path, "read"), self._fs.open_input_file(self._key(path)) as file:
            return bytes(file.read_at(size, offset))

    def open(self, path: str) -> BinaryIO:
        """As in `Store`."""
        with self._explained(path, "opened"):
            return cast(BinaryIO, self._fs.open_input_file(self._key(path)))

    def write(self, path: str, data: bytes) -> None:
        """As in `Store`."""
        self._upload(path, [data])

    @contextmanager
    def writing(self, path: str) -> Iterator[IO[bytes]]:
        """As in `Store`; the file is collected on this machine and uploaded at the end."""
        with tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            self._upload(path, iter(lambda: file.read(_PIECE_BYTES), b""))

    def remove(self, path: str) -> None:
        """As in `Store`."""
        if self.size_bytes(path) is not None:
            with self._explained(path, "deleted"):
                self._fs.delete_file(self._key(path))

    def _upload(self, path: str, pieces: Iterable[bytes]) -> None:
        key = self._key(path)
        folder, _, name = key.rpartition("/")
        is_atomic = self._fs.type_name in _ATOMIC_UPLOADS
        target = key if is_atomic else f"{folder}/.edgekit-{os.urandom(8).hex()}-{name}.tmp"
        with self._explained(path, "written"):
            if not is_atomic:
                self._fs.create_dir(folder, recursive=True)
            with self._fs.open_output_stream(target, compression=None) as stream:
                for piece in pieces:
                    stream.write(piece)
            if not is_atomic:
                self._fs.move(target, key)

    def _info(self, path: str) -> Any:
        with self._explained(path, "read"):
            info, base = self._fs.get_file_info(self._key(path)), self._connection()[1]
            if info.type.name == "NotFound" and base and self._fs.get_file_info(base).type.name == "NotFound":
                raise DataError(f"{shown(path)}: no such bucket")
        return info

    @property
    def _fs(self) -> Any:
        """The file system; after a fork a new one, because connections and threads do not survive it."""
        return self._connection()[0]

    def _key(self, path: str) -> str:
        """The path of an object in the file system. Its name is taken literally: nothing in it is percent-encoded."""
        match = _ROOT.fullmatch(split_query(path)[0])
        base, name = self._connection()[1], match[2] if match else ""
        return f"{base}/{name}".rstrip("/") if name else base

    def _uri(self, key: str) -> str:
        base = self._connection()[1]
        return f"{self._root}/{key.removeprefix(base).lstrip('/')}{self._query}"

    def _connection(self) -> tuple[Any, str]:
        if self._connected is None or self._connected[0] != os.getpid():
            self._connected = (os.getpid(), *self._connect())
        return self._connected[1], self._connected[2]

    def _connect(self) -> tuple[Any, str]:
        """The file system, and the path of the root in it."""
        arrow = require("pyarrow.fs", extra=_EXTRA)
        query = self._query
        if self._root.startswith(("gs://", "gcs://")) and "retry_limit_seconds" not in query:
            query += f"{'&' if query else '?'}{_GCS_RETRIES}"
        with self._explained(self._root, "opened"):
            try:
                filesystem, base = arrow.FileSystem.from_uri(self._root + query)
            except ValueError as error:
                if "Unrecognized filesystem" not in str(error):
                    raise
                filesystem, base = self._connect_by_fsspec(arrow)
        return filesystem, base.rstrip("/")

    def _connect_by_fsspec(self, arrow: Any) -> tuple[Any, str]:
        fsspec = require("fsspec.core", extra=_EXTRA)
        try:
            filesystem, base = fsspec.url_to_fs(self._root)
        except (ImportError, ValueError) as error:
            scheme = self._root.partition(":")[0]
            raise DataError(f"{shown(self._root)}: no installed package reads {scheme}: {_line(error)}") from None
        return arrow.PyFileSystem(arrow.FSSpecHandler(filesystem)), base

    @contextmanager
    def _explained(self, path: str, verb: str) -> Iterator[None]:
        """Turn whatever a store's client raises into a DataError of one line."""
        try:
            yield
        except EdgekitError:
            raise
        except FileNotFoundError as error:
            reason = "no such bucket" if re.search(_REASONS[0][0], str(error), re.IGNORECASE) else "no such file"
            raise DataError(f"{shown(path)}: {reason}") from None
        except Exception as error:  # clients have errors of their own: botocore's, gcsfs's, ...
            text = _without_secrets(_line(error), self._root)
            meaning = next(
                (f"{meaning} " for pattern, meaning in _REASONS if re.search(pattern, text, re.IGNORECASE)), ""
            )
            detail = truncated(text, _MAX_REASON)
            raise DataError(
                f"{shown(path)}: cannot be {verb}: {meaning}{f'({detail})' if meaning else detail}"
            ) from None


def _stored_file(path: str, info: Any) -> StoredFile:
    """What Arrow knows of a file. Its time in whole seconds, as of a single object; lists have more figures."""
    return StoredFile(path, info.size, None if info.mtime_ns is None else info.mtime_ns // 10**9 * 10**9)


def _without_secrets(text: str, root: str) -> str:
    """What a client says, without a password in the URI and without URIs, which it repeats if it cannot parse them."""
    password = re.fullmatch(r"[^:]+://[^@]*?:([^@]+)@.*", root, re.DOTALL)
    text = text.replace(password[1], "...") if password else text
    if text.startswith("Cannot parse URI"):
        return "not a valid URI; write / in a secret as %2F, and other special characters alike"
    return text


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
