"""Reading files without hanging or exhausting memory, and writing them atomically."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from edgekit.errors import EdgekitError

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

# What pipes take in one piece on every POSIX system; Linux takes 4096.
_ATOMIC_BYTES = 512
_SECONDS_UNTIL_LOCKED = 10
TEMPORARY_PREFIX = ".edgekit-"


def check_regular_file(path: str | os.PathLike[str], *, error: type[EdgekitError], hint: str = "") -> None:
    """Raise an exception of class `error` for what is absent, a folder, a FIFO, a device or a socket.

    For files that another library opens, which may wait for a FIFO forever.

    Args:
        path: of the file.
        error: class of the exception to raise.
        hint: what to do about it, for the end of the message.
    """
    name = os.fspath(path)
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except (OSError, ValueError):
        raise error(f"{name}: no such file{hint}") from None
    if not stat.S_ISREG(mode):
        raise error(f"{name}: {'is a folder' if stat.S_ISDIR(mode) else 'not a regular file'}{hint}")


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
    """Write a file as `atomic_file` does.

    Args:
        path: of the file; its folder is created if necessary.
        data: its new content, or that in parts.

    Raises:
        EdgekitError: the file cannot be written, or the path is that of a folder or device.
    """
    with atomic_file(path) as file:
        file.writelines(data if isinstance(data, list) else [data])


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` that takes its place at the end: a crash leaves the old file or the new one.

    If the block raises, the old one stays. An existing file keeps its permissions, and a symbolic link keeps its
    target, which is written. Temporary files that killed writers of this file left behind are removed.

    Args:
        path: of the file; its folder is created if necessary.

    Raises:
        EdgekitError: the file cannot be written, or the path is that of a folder or device.
    """
    try:
        path = path.resolve() if path.is_symlink() else path
        temporary = _temporary_beside(path)
    except (OSError, ValueError, RuntimeError) as reason:  # RuntimeError: a link to itself, before Python 3.13
        if isinstance(reason, EdgekitError):
            raise
        raise EdgekitError(f"{path}: cannot be written: {_reason(reason)}") from None
    try:
        with temporary.open("xb") as file:
            lock_file(file.fileno())
            if path.exists():
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as reason:
        temporary.unlink(missing_ok=True)
        if isinstance(reason, OSError | ValueError) and not isinstance(reason, EdgekitError):
            raise EdgekitError(f"{path}: cannot be written: {_reason(reason)}") from None
        raise


def _temporary_beside(path: Path) -> Path:
    """The temporary file of a file to write, in its folder, which is created; those of killed writers are removed."""
    import zlib  # here, because predicting does not need it

    if path.exists() and not path.is_file():  # renaming a file to /dev/null would replace the device
        raise EdgekitError(f"{path}: cannot be written: it exists and is not a regular file")
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f"{TEMPORARY_PREFIX}{zlib.crc32(os.fsencode(path.name)):08x}-"
    remove_abandoned(path.parent, prefix)
    return path.with_name(f"{prefix}{os.urandom(8).hex()}.tmp")


def write_new(path: Path, data: bytes | memoryview) -> None:
    """Write a file that does not exist yet, least of all an input. If that fails, nothing of it is left.

    Args:
        path: of the file, in an existing folder.
        data: its content.

    Raises:
        FileExistsError: something with this path exists; it is not changed.
        EdgekitError: the file cannot be written.
    """
    file: IO[bytes] | None = None
    try:
        with _interrupts_deferred():  # in between, a file would exist that is not removed below
            file = path.open("xb")
        with file:  # closing it writes too
            file.write(data)
    except BaseException as reason:
        if file is not None:
            path.unlink(missing_ok=True)
        if isinstance(reason, OSError | ValueError) and not isinstance(reason, FileExistsError):
            raise EdgekitError(f"{path}: cannot be written: {_reason(reason)}") from None
        raise


def write_whole(descriptor: int, data: bytes) -> None:
    """Write all bytes to an open file, pipe or terminal. Ctrl-C takes effect before or after them, not in between.

    Args:
        descriptor: of the file.
        data: such as a line with its newline.

    Raises:
        OSError: the file cannot be written.
    """
    if len(data) <= _ATOMIC_BYTES:  # the system writes all or nothing, and a writer that waits can be interrupted
        data = data[os.write(descriptor, data) :]
        if not data:  # it is not if a disk was almost full: writing the rest raises the error
            return
    with _interrupts_deferred():
        while data:
            data = data[os.write(descriptor, data) :]


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Let Ctrl-C take effect only at the end. Only the main thread is ever interrupted."""
    import signal  # here, because predictions in other people's programs write nothing

    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    pending: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: pending.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if pending:
            handler(*pending[0])


def lock_file(descriptor: int) -> bool:
    """Lock an open file until it is closed or the process ends. Returns False if another process has locked it.

    Without such locks (on Windows) the result is always True: there, files that are open cannot be deleted anyway.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def remove_abandoned(folder: Path, prefix: str = TEMPORARY_PREFIX) -> None:
    """Remove temporary files whose writer was killed: old enough to be locked by it, but not locked.

    Args:
        folder: in which they lie.
        prefix: with which their names begin; by default that of all temporary files.
    """
    for file in folder.glob(f"{prefix}*.tmp"):
        with suppress(OSError), file.open("rb") as abandoned:
            if time.time() - os.fstat(abandoned.fileno()).st_mtime > _SECONDS_UNTIL_LOCKED and lock_file(
                abandoned.fileno()
            ):
                file.unlink()


def sha256(data: bytes) -> str:
    """Return the SHA-256 of the bytes as a hexadecimal string."""
    import hashlib  # here, because OpenSSL takes longer to load than this package, and prediction does not need it

    return hashlib.sha256(data).hexdigest()


def _reason(reason: OSError | ValueError | RuntimeError) -> str:
    return (reason.strerror if isinstance(reason, OSError) else None) or str(reason)
