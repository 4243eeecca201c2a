"""Fetch a file into the user's cache: whole, with the right checksum, or not at all."""

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

from edgekit.errors import WeightsError
from edgekit.hub.cache import PartialFile, file_lock, file_name, is_offline, sha256_of, weights_folder
from edgekit.hub.connection import Interrupted, RangeRefused, Unreachable, body, check_address, request

# Called with the bytes that are there so far and the bytes in all, or None if the server does not state them.
OnBytes: TypeAlias = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long a fetch waits on a bad connection, and how often it tries again.

    silence_s: for connecting, and for each next byte; stall_s: for a transfer that drips, under 4 KiB in that time;
    attempts: requests in all; pause_s: before the second, doubled before each further one.
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
    """The file of that address in the cache folder, downloaded unless it is there with the right checksum.

    sha256: all 64 hexadecimal digits or the first 8 and more. cache: the folder; by default the one of EDGEKIT_HOME, or
    of the user. What arrived of a broken-off transfer is kept beside the file as .part, and resumed where the server
    can. on_bytes sees its first argument only ever grow. With EDGEKIT_OFFLINE set nothing is requested.
    Raises WeightsError, one line each, for whatever keeps the file from arriving.
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
            f"{path}: cannot be written: {error.strerror or error}; free some space, or set EDGEKIT_HOME to a folder "
            "that can be written"
        ) from None
    return path


def _valid_sha256(sha256: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{8,64}", sha256):
        raise WeightsError(f"{sha256!r} is not a SHA-256: 64 hexadecimal digits, or at least the first 8")
    return sha256.lower()


def _offline_error(url: str, path: Path, digest: str, expected: str) -> WeightsError:
    state = f"the file there has sha256 {digest}, not {expected}" if digest else "it is not in the cache"
    return WeightsError(
        f"EDGEKIT_OFFLINE is set, and {state}; fetch {url} elsewhere and place it at {path} (sha256 {expected})"
    )


@dataclass(kw_only=True)
class _Download:
    """One fetch: requests until the file is whole, then the checksum, then its name."""

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
        """Raises WeightsError, and OSError if the cache cannot be written."""
        lock = self.path.with_name(f".{self.path.name}.lock")
        wait_s = self.retry.attempts * (self.retry.silence_s + self.retry.stall_s)
        with file_lock(lock, growing=self.part.path, wait_s=wait_s):
            # While this one waited, another process may have fetched it.
            if self.path.exists() and sha256_of(self.path).startswith(self.expected):
                return
            try:
                self._receive_all()
                self._accept()
            except OSError:  # the disk's; a full one is not left full
                self.part.discard()
                raise

    def _receive_all(self) -> None:
        """Requests, one after the other, until nothing is missing."""
        for attempt in count(1):
            try:
                self._request()
            except Interrupted as error:
                # A first attempt that finds no network is not repeated: somebody waits for the answer.
                if attempt >= self.retry.attempts or (attempt == 1 and isinstance(error, Unreachable)):
                    raise self._failure(error, attempt) from None
                time.sleep(self.retry.pause_s * 2 ** (attempt - 1))
            else:
                return

    def _request(self) -> None:
        """One request for what is missing, its body appended to the partial file."""
        offset = self.part.size_bytes()
        headers = {"Range": f"bytes={offset}-", "If-Range": self.part.version()} if offset else {}
        silence_s, stall_s = self.retry.silence_s, self.retry.stall_s
        try:
            with request(self.url, headers, silence_s=silence_s, stall_s=stall_s) as response:
                if response.status == HTTPStatus.PARTIAL_CONTENT:
                    self._check_range(response, offset)
                else:  # the whole file: the first request, or it is another file now, or the server knows no Range
                    offset = 0
                    self.part.start(_response_version(response))
                self._append(response, offset)
        except RangeRefused:
            self.part.discard()
            raise

    def _check_range(self, response: HTTPResponse, offset: int) -> None:
        """Raises RangeRefused if the bytes do not continue what is there."""
        content_range = re.match(r"bytes (\d{1,15})-", response.headers.get("Content-Range", ""))
        version = _response_version(response)
        if not offset or content_range is None or int(content_range[1]) != offset:
            raise RangeRefused("the server sent another part of the file than was asked for")
        if version and version != self.part.version():
            raise RangeRefused("the file changed at the server")

    def _append(self, response: HTTPResponse, offset: int) -> None:
        """Write the body of the response after the first `offset` bytes."""
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
        except WeightsError:  # more than the limit: none of it is wanted
            self.part.discard()
            raise

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self.max_bytes:
            raise WeightsError(f"{self.url}: refused: {size_bytes} bytes or more, where {self.max_bytes} is the limit")

    def _report(self, done: int, total: int | None) -> None:
        """Never less than before: after starting over, nothing is reported until as much is there again."""
        if self.on_bytes is not None and done > self.reported:
            self.reported = done
            self.on_bytes(done, total)

    def _failure(self, error: Interrupted, attempts: int) -> WeightsError:
        size_bytes = self.part.size_bytes()
        if not size_bytes:
            self.part.discard()
        times = f" (attempt {attempts} of {self.retry.attempts})" if attempts > 1 else ""
        resumable = f"{size_bytes} bytes are kept in {self.part.path}: run it again to resume"
        state = resumable if size_bytes else "nothing is kept"
        hint = f"; without a network, place the file at {self.path}" if isinstance(error, Unreachable) else ""
        return WeightsError(f"{self.url}: {error}{times}; {state}{hint}")

    def _accept(self) -> None:
        """Give the whole file its name. Raises WeightsError, and deletes the file, if its checksum is wrong."""
        digest = sha256_of(self.part.path)
        is_expected = digest.startswith(self.expected)
        if is_expected:
            self.part.path.replace(self.path)
        self.part.discard()
        if not is_expected:
            raise WeightsError(
                f"{self.url}: wrong checksum: sha256 is {digest}, not {self.expected}; the file was deleted"
            )


def _response_version(response: HTTPResponse) -> str:
    """The ETag of exactly these bytes, else the date of their last change, else nothing: what If-Range can compare."""
    tag, date = (response.headers.get(name, "") for name in ("ETag", "Last-Modified"))
    return tag if tag.startswith('"') else date
