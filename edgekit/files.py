"""Reading files without hanging or exhausting memory, and writing them atomically."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from edgekit.errors import EdgekitError

if TYPE_CHECKING:
    from pathlib import Path


def read_regular_file(
    path: str | os.PathLike[str], *, max_bytes: int, error: type[EdgekitError], hint: str = ""
) -> bytes:
    """Read a regular file.

    Args:
        path: of the file.
        max_bytes: largest accepted file size in bytes.
        error: class of the exception to raise.
        hint: what to do about a file that is too large, for the end of the message.

    Raises:
        EdgekitError: of class `error`: not a regular file, not readable, or larger than `max_bytes`.
    """
    name = os.fspath(path)
    try:
        # Opened without blocking and checked before reading: a FIFO would block forever and a device may never end.
        descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as reason:
        packaged = _read_packaged(name)
        if packaged is not None:
            return packaged
        raise error(f"{name}: cannot be opened: {_reason(reason)}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise error(f"{name}: not a regular file")
        if status.st_size > max_bytes:
            raise error(f"{name}: {status.st_size} bytes, more than the limit of {max_bytes} bytes{hint}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            # Only what it has: allocating max_bytes would take longer than reading a photo.
            data = file.read(status.st_size + 1)
            if len(data) > status.st_size:  # it is growing, or its size is not known in advance, as in /proc
                data += file.read(max_bytes + 1 - len(data))
    except OSError as reason:
        raise error(f"{name}: cannot be read: {_reason(reason)}") from None
    finally:
        os.close(descriptor)
    if len(data) > max_bytes:
        raise error(f"{name}: more than the limit of {max_bytes} bytes{hint}")
    return data


def _read_packaged(path: str) -> bytes | None:
    """Read a file of the zip archive from which edgekit is imported; None for all other files."""
    loader: Any = __spec__.loader if __spec__ else None
    if not hasattr(loader, "archive"):
        return None
    from pathlib import Path  # here, because a file that exists does not need it

    file, archive = Path(path).absolute(), Path(loader.archive).absolute()
    try:
        return bytes(loader.get_data(str(file.relative_to(archive))))
    except (OSError, ValueError):  # not in the archive
        return None


def write_atomically(path: Path, data: bytes | list[bytes | memoryview]) -> None:
    """Write a file via a temporary one beside it, so that a crash leaves either the old file or the new one.

    Args:
        path: of the file; its folder is created if necessary.
        data: its new content, or that in parts.

    Raises:
        EdgekitError: the file cannot be written, or the path is that of a folder or device.
    """
    temporary = path.with_name(f".{os.urandom(8).hex()}.tmp")
    try:
        if path.exists() and not path.is_file():  # renaming a file to /dev/null would replace the device
            raise EdgekitError(f"{path}: cannot be written: it exists and is not a regular file")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.writelines(data if isinstance(data, list) else [data])
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as reason:
        raise EdgekitError(f"{path}: cannot be written: {_reason(reason)}") from None


def sha256(data: bytes) -> str:
    """Return the SHA-256 of the bytes as a hexadecimal string."""
    import hashlib  # here, because OpenSSL takes longer to load than this package, and prediction does not need it

    return hashlib.sha256(data).hexdigest()


def _reason(reason: OSError | ValueError) -> str:
    return (reason.strerror if isinstance(reason, OSError) else None) or str(reason)
