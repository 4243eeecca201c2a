"""Files that are either whole or not there, and reading that neither hangs nor fills the memory."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from edgekit.errors import EdgekitError

if TYPE_CHECKING:
    from pathlib import Path


def read_regular_file(path: str | os.PathLike[str], *, max_bytes: int, error: type[EdgekitError]) -> bytes:
    """All bytes of a regular file. Raises `error`, naming the file, for what is none and for more than max_bytes."""
    name = os.fspath(path)
    try:
        # Not blocking, and looked at before reading: a FIFO would hang for ever and a device may never end.
        descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as reason:
        raise error(f"{name}: cannot be opened: {_said(reason)}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise error(f"{name}: not a regular file")
        if status.st_size > max_bytes:
            raise error(f"{name}: {status.st_size} bytes, more than the limit of {max_bytes} bytes; raise max_bytes")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            # Asked for what it has: room for max_bytes would take longer than reading a photograph.
            data = file.read(status.st_size + 1)
            if len(data) > status.st_size:  # it is being written, or lies in /proc
                data += file.read(max_bytes + 1 - len(data))
    except OSError as reason:
        raise error(f"{name}: cannot be read: {_said(reason)}") from None
    finally:
        os.close(descriptor)
    if len(data) > max_bytes:
        raise error(f"{name}: more than the limit of {max_bytes} bytes; raise max_bytes")
    return data


def write_atomically(path: Path, data: bytes) -> None:
    """Write a temporary file beside it, flush it, rename it: a crash leaves the old file or the new one.

    Raises EdgekitError, naming the file, where it cannot be written, and for a device or a folder in its place.
    """
    temporary = path.with_name(f".{os.urandom(8).hex()}.tmp")
    try:
        if path.exists() and not path.is_file():  # renaming over /dev/null would replace it
            raise EdgekitError(f"{path}: cannot be written: there is something that is not a regular file")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as reason:
        raise EdgekitError(f"{path}: cannot be written: {_said(reason)}") from None


def sha256(data: bytes) -> str:
    """The hexadecimal SHA-256 of the bytes."""
    import hashlib  # here, because OpenSSL takes longer to load than all of this package, and predicting needs none

    return hashlib.sha256(data).hexdigest()


def _said(reason: OSError | ValueError) -> str:
    return (reason.strerror if isinstance(reason, OSError) else None) or str(reason)
