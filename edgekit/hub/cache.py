"""The folder of downloaded files: where it is, how files in it are named, and one download of a file at a time."""

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

from platformdirs import user_cache_path

from edgekit.errors import WeightsError

_POLL_S = 0.05
_MAX_STEM_LENGTH = 120
# A strong ETag, or a date: nothing else that a server sends is sent back in a header.
_VERSION = re.compile(r'"[\x21\x23-\x7e]{0,200}"|[A-Za-z]{3}, [0-9A-Za-z :]{1,40}')


def weights_folder() -> Path:
    """The folder of fetched weights: under EDGEKIT_HOME, else under the user's cache of this system."""
    home = os.environ.get("EDGEKIT_HOME")
    return (Path(home).expanduser() if home else user_cache_path("edgekit", appauthor=False)) / "weights"


def is_offline() -> bool:
    """Whether EDGEKIT_OFFLINE forbids every download."""
    return os.environ.get("EDGEKIT_OFFLINE", "").strip().lower() not in ("", "0", "false", "no", "off")


def file_name(url: str, sha256: str) -> str:
    """The last part of the address, fit for every file system, with the checksum's first 8 digits in it.

    Files of the same name at different addresses therefore never collide.
    """
    remote_name = Path(unquote(urlsplit(url).path).rpartition("/")[2])
    stem, suffix = (re.sub(r"[^A-Za-z0-9._-]", "_", part) for part in (remote_name.stem, remote_name.suffix))
    stem = stem.strip(".")[:_MAX_STEM_LENGTH] or "file"
    return f"{stem}{suffix}" if sha256[:8] in stem else f"{stem}-{sha256[:8]}{suffix}"


def sha256_of(path: Path) -> str:
    """The hexadecimal SHA-256 of the file, read piece by piece. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class PartialFile:
    """The bytes that have arrived so far, in `.part`, and the ETag or date of the version that they belong to."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".part")
        self._version = path.with_name(path.name + ".part.version")

    def version(self) -> str:
        """What a request may ask the server to compare; empty if that is not known."""
        text = self._version.read_text("latin-1") if self._version.exists() else ""
        return text if _VERSION.fullmatch(text) else ""

    def size_bytes(self) -> int:
        """The bytes that a download can continue after: none of an unknown version."""
        return self.path.stat().st_size if self.path.exists() and self.version() else 0

    def start(self, version: str) -> None:
        """Begin that version. The old bytes go first, so that they are never taken for the new version's."""
        self.path.write_bytes(b"")
        self._version.write_text(version, "latin-1")

    def discard(self) -> None:
        """Delete what has arrived."""
        self.path.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)


@contextmanager
def file_lock(path: Path, *, growing: Path, wait_s: float) -> Iterator[None]:
    """Exclude all other threads and processes that lock `path`; the system frees the lock when its holder dies.

    Waits as long as the holder makes the file `growing` change its size at least every `wait_s` seconds. The lock file
    stays: removing it would let two in. Raises WeightsError if the holder is stuck, OSError if nothing can be written
    or locked.
    """
    with path.open("ab") as file:
        size, since = -1, time.monotonic()
        while not _try_lock(file.fileno()):
            now_size = growing.stat().st_size if growing.exists() else 0
            if now_size != size:
                size, since = now_size, time.monotonic()
            elif time.monotonic() - since > wait_s:
                raise WeightsError(
                    f"{growing}: another process is fetching this file, and got nothing for {wait_s:g} s"
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
