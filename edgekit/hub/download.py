"""Downloads into the user's cache: a complete file with the right checksum, or none."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPResponse
from itertools import count
from pathlib import Path
from typing import TypeAlias

from edgekit.errors import WeightsError, quote
from edgekit.hub.cache import PartialFile, file_lock, file_name, is_offline, sha256_of, weights_folder
from edgekit.hub.connection import Interrupted, RangeRefused, Unreachable, body, check_address, request

# Called with the number of bytes received so far, and the size of the file (None if the server does not state it).
OnBytes: TypeAlias = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long a download waits on a bad connection, and how often it tries again.

    Attributes:
        silence_s: seconds that connecting, or waiting for the next byte, may take.
        stall_s: seconds in which at least 4 KiB have to arrive.
        attempts: total number of requests.
        pause_s: seconds before the second request, doubled before every further one.
    """

    silence_s: float = 30.0
    stall_s: float = 60.0
    attempts: int = 4
    pause_s: float = 0.5


DEFAULT_RETRY = RetryPolicy()


def fetch(
    url: str,
    sha256: str,
    *,
    max_bytes: int,
    cache: Path | None = None,
    on_bytes: OnBytes | None = None,
    retry: RetryPolicy = DEFAULT_RETRY,
) -> Path:
    """Download a file into the cache, unless it is already there with the right checksum.

    What an interrupted transfer has received is kept beside the file as .part, and resumed if the server supports it.
    With EDGEKIT_OFFLINE set, nothing is requested.

    Args:
        url: http or https address.
        sha256: expected checksum: all 64 hexadecimal digits, or at least the first 8.
        max_bytes: largest accepted file size in bytes.
        cache: folder; by default that of `weights_folder`.
        on_bytes: called as bytes arrive; its first argument only ever grows.
        retry: timeouts and number of attempts.

    Returns:
        The path of the file in the cache.

    Raises:
        WeightsError: the file could not be downloaded; the message is one line.
    """
    check_address(url)
    expected = _valid_sha256(sha256)
    path = (cache or weights_folder()) / file_name(url, expected)
    try:
        digest = sha256_of(path) if path.exists() else ""
        if not digest.startswith(expected):
            if is_offline():
                raise _offline_error(url, path, digest, expected)
            path.parent.mkdir(parents=True, exist_ok=True)
            _Download(
                url=url,
                expected=expected,
                path=path,
                max_bytes=max_bytes,
                on_bytes=on_bytes,
                retry=retry,
            ).run()
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be written: {error.strerror or error}; free some space, or set EDGEKIT_HOME to a writable "
            "folder"
        ) from None
    return path


def _valid_sha256(sha256: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{8,64}", sha256):
        raise WeightsError(f"`sha256` must be 64 hexadecimal digits, or at least the first 8 (got {quote(sha256)})")
    return sha256.lower()


def _offline_error(url: str, path: Path, digest: str, expected: str) -> WeightsError:
    state = f"the cached file has sha256 {digest}, not {expected}" if digest else "the file is not in the cache"
    return WeightsError(
        f"EDGEKIT_OFFLINE is set and {state}; download {url} on another machine and place it at {path} "
        f"(sha256 {expected})"
    )


@dataclass(kw_only=True)
class _Download:
    """One download: requests until the file is complete, then verifies its checksum and gives it its name."""

    url: str
    expected: str
    path: Path
    max_bytes: int
    on_bytes: OnBytes | None
    retry: RetryPolicy
    reported: int = -1

    def __post_init__(self) -> None:
        self.part = PartialFile(self.path)

    def run(self) -> None:
        """Download the file. Raises WeightsError, and OSError if the cache cannot be written."""
        lock = self.path.with_name(f".{self.path.name}.lock")
        wait_s = self.retry.attempts * (self.retry.silence_s + self.retry.stall_s)
        with file_lock(lock, growing=self.part.path, wait_s=wait_s):
            # Another process may have downloaded it while this one waited.
            if self.path.exists() and sha256_of(self.path).startswith(self.expected):
                return
            try:
                self._receive_all()
                self._accept()
            except OSError:  # of the disk, which may be full: give the space back
                self.part.discard()
                raise

    def _receive_all(self) -> None:
        """Send requests until nothing is missing."""
        for attempt in count(1):
            try:
                self._request()
            except Interrupted as error:
                # Without a network, fail after the first attempt: somebody is waiting.
                if attempt >= self.retry.attempts or (attempt == 1 and isinstance(error, Unreachable)):
                    raise self._failure(error, attempt) from None
                time.sleep(self.retry.pause_s * 2 ** (attempt - 1))
            else:
                return

    def _request(self) -> None:
        """Request what is missing, and append the body to the partial file."""
        offset = self.part.size_bytes()
        headers = {"Range": f"bytes={offset}-", "If-Range": self.part.version()} if offset else {}
        silence_s, stall_s = self.retry.silence_s, self.retry.stall_s
        try:
            with request(self.url, headers, silence_s=silence_s, stall_s=stall_s) as response:
                if response.status == HTTPStatus.PARTIAL_CONTENT:
                    self._check_range(response, offset)
                else:  # the whole file: a first request, a changed file, or a server without support for ranges
                    offset = 0
                    self.part.start(_response_version(response))
                self._append(response, offset)
        except RangeRefused:
            self.part.discard()
            raise

    def _check_range(self, response: HTTPResponse, offset: int) -> None:
        """Raise RangeRefused if the body does not continue the bytes received so far."""
        content_range = re.match(r"bytes (\d{1,15})-", response.headers.get("Content-Range", ""))
        version = _response_version(response)
        if not offset or content_range is None or int(content_range[1]) != offset:
            raise RangeRefused("the server sent a part of the file that was not requested")
        if version and version != self.part.version():
            raise RangeRefused("the file on the server has changed")

    def _append(self, response: HTTPResponse, offset: int) -> None:
        """Append the body of the response to the `offset` bytes received so far."""
        length = response.length
        total = None if length is None else offset + length
        try:
            self._check_size(total or 0)
            self._report(offset, total)
            with self.part.path.open("ab") as file:
                for piece in body(response, length):
                    offset += len(piece)
                    self._check_size(offset)
                    file.write(piece)
                    self._report(offset, total)
                file.flush()
                os.fsync(file.fileno())
        except WeightsError:  # larger than the limit, so none of it is needed
            self.part.discard()
            raise

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self.max_bytes:
            raise WeightsError(
                f"{self.url}: refused: at least {size_bytes} bytes, more than the limit of {self.max_bytes} bytes"
            )

    def _report(self, done: int, total: int | None) -> None:
        """Report progress, which never goes back: after starting over, nothing is reported up to the old value."""
        if self.on_bytes is not None and done > self.reported:
            self.reported = done
            self.on_bytes(done, total)

    def _failure(self, error: Interrupted, attempts: int) -> WeightsError:
        size_bytes = self.part.size_bytes()
        if not size_bytes:
            self.part.discard()
        times = f" (attempt {attempts} of {self.retry.attempts})" if attempts > 1 else ""
        resumable = f"{size_bytes} bytes are saved in {self.part.path}; run the same command again to resume"
        state = resumable if size_bytes else "nothing was saved"
        hint = f"; without a network, place the file at {self.path}" if isinstance(error, Unreachable) else ""
        return WeightsError(f"{self.url}: {error}{times}; {state}{hint}")

    def _accept(self) -> None:
        """Give the complete file its name; if its checksum is wrong, delete it and raise WeightsError."""
        digest = sha256_of(self.part.path)
        is_expected = digest.startswith(self.expected)
        if is_expected:
            self.part.path.replace(self.path)
        self.part.discard()
        if not is_expected:
            raise WeightsError(
                f"{self.url}: wrong checksum (sha256 {digest}, expected {self.expected}); the file was deleted"
            )


def _response_version(response: HTTPResponse) -> str:
    """Return what If-Range can compare: the strong ETag, else the date of the last change, else nothing."""
    tag, date = (response.headers.get(name, "") for name in ("ETag", "Last-Modified"))
    return tag if tag.startswith('"') else date
