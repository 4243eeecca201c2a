"""The cache of downloaded files: its location, its file names, and a lock so that a file is downloaded only once."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edgekit.errors import WeightsError
from edgekit.hub.model_files import cache_folder

_POLL_S = 0.05
_MAX_STEM_LENGTH = 120
# A strong ETag, or a date. Nothing else that a server sends is sent back to it in a header.
_VERSION = re.compile(r'"[\x21\x23-\x7e]{0,200}"|[A-Za-z]{3}, [0-9A-Za-z :]{1,40}')


def weights_folder() -> Path:
    """Return the folder of downloaded weights: under EDGEKIT_HOME if it is set, else under the user's cache folder."""
    return Path(cache_folder()) / "weights"


def is_offline() -> bool:
    """Return whether EDGEKIT_OFFLINE disables downloads."""
    return os.environ.get("EDGEKIT_OFFLINE", "").strip().lower() not in ("", "0", "false", "no", "off")


def file_name(url: str, sha256: str) -> str:
    """Return the name that a downloaded file gets in the cache.

    It is the last part of the address, restricted to characters that every file system accepts. The first 8 digits of
    the checksum are added unless the name has them, so files of the same name at different addresses never collide.

    Args:
        url: address of the file.
        sha256: its expected checksum, at least the first 8 hexadecimal digits.
    """
    remote_name = Path(unquote(urlsplit(url).path).rpartition("/")[2])
    stem, suffix = (re.sub(r"[^A-Za-z0-9._-]", "_", part) for part in (remote_name.stem, remote_name.suffix))
    stem = stem.strip(".")[:_MAX_STEM_LENGTH] or "file"
    return f"{stem}{suffix}" if sha256[:8] in stem else f"{stem}-{sha256[:8]}{suffix}"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as a hexadecimal string, without reading all of it into memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class PartialFile:
    """An incomplete download: the bytes received so far (.part), and the ETag or date of the version they belong to."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".part")
        self._version = path.with_name(path.name + ".part.version")

    def version(self) -> str:
        """Return the ETag or date with which a request can be conditional; empty if not known."""
        text = self._version.read_text("latin-1") if self._version.exists() else ""
        return text if _VERSION.fullmatch(text) else ""

    def size_bytes(self) -> int:
        """Return the number of bytes that a download can resume after: 0 if their version is not known."""
        return self.path.stat().st_size if self.path.exists() and self.version() else 0

    def start(self, version: str) -> None:
        """Start a new version. The old bytes are removed first, so that they can never be taken for part of it."""
        self.path.write_bytes(b"")
        self._version.write_text(version, "latin-1")

    def discard(self) -> None:
        """Delete the received bytes."""
        self.path.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)


@contextmanager
def file_lock(path: Path, *, growing: Path, wait_s: float) -> Iterator[None]:
    """Hold a lock that excludes other threads and processes. The operating system releases it if its holder dies.

    Args:
        path: of the lock file. It is never deleted, because that could let two holders in.
        growing: a file that the holder writes to.
        wait_s: how many seconds to wait while `growing` does not change its size.

    Raises:
        WeightsError: the holder made no progress for `wait_s` seconds.
        OSError: the lock file cannot be written or locked.
    """
    with path.open("ab") as file:
        last_size, last_change = -1, time.monotonic()
        while not _try_lock(file.fileno()):
            size = growing.stat().st_size if growing.exists() else 0
            if size != last_size:
                last_size, last_change = size, time.monotonic()
            elif time.monotonic() - last_change > wait_s:
                raise WeightsError(
                    f"{growing}: another process is downloading this file but has received nothing for {wait_s:g} s; "
                    "stop that process and try again"
                )
            time.sleep(_POLL_S)
        yield


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
