"""API keys: read from a file, and required of requests."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import SpecError
from edgekit.files import read_regular_file
from edgekit.serve.request_errors import Unauthorized

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_MAX_FILE_BYTES = 2**20
# 16 characters of base64 have 96 bits: not to be guessed. No spaces: they would end the key in a header.
_KEY = re.compile(r"[!-~]{16,512}")
_OTHERS_CAN_READ = 0o044


def read_api_keys(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read keys from a text file: one per line. Empty lines and lines that start with # are left out.

    Args:
        path: of the file.

    Raises:
        SpecError: the file cannot be read, has no key, or a key is not valid. No message contains a key.
    """
    content = read_regular_file(os.fspath(path), max_bytes=_MAX_FILE_BYTES, error=SpecError)
    keys = []
    for number, line in enumerate(content.decode("latin-1").splitlines(), 1):
        key = line.strip()
        if key and not key.startswith("#"):
            if not _KEY.fullmatch(key):
                raise SpecError(
                    f"{path}: line {number}: a key must have 16 to 512 printable ASCII characters and no spaces; make "
                    "one with `openssl rand -hex 32`"
                )
            keys.append(key)
    if not keys:
        raise SpecError(f"{path}: has no key; write one per line, e.g. that of `openssl rand -hex 32`")
    return tuple(keys)


def others_can_read(path: str | os.PathLike[str]) -> bool:
    """Whether the permissions of the file let other users read it."""
    return os.name == "posix" and bool(Path(path).stat().st_mode & _OTHERS_CAN_READ)


class ApiKeyCheck:
    """Refuses requests without a key: `Authorization: Bearer KEY` or `X-API-Key: KEY`.

    Args:
        app: the app that is protected, inside the middleware that turns errors into responses.
        keys: any of them will do.
        public: paths that need no key.
    """

    def __init__(self, app: ASGIApp, keys: tuple[str, ...], public: Container[str] = ()) -> None:
        self._app, self._public = app, public
        # Digests have one length, so that comparing them takes one time, whatever the key.
        self._digests = [_digest(key.encode()) for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].removeprefix(scope.get("root_path", "")) not in self._public:
            keys = _sent_keys(scope)
            if not any(self._is_valid(key) for key in keys):
                problem = "the API key is not valid" if keys else "an API key is needed"
                raise Unauthorized(
                    f"{problem}; send it in the header Authorization: Bearer KEY, or X-API-Key: KEY",
                    headers={"WWW-Authenticate": 'Bearer realm="edgekit"'},
                )
        await self._app(scope, receive, send)

    def _is_valid(self, key: bytes) -> bool:
        digest = _digest(key)
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0  # all of them, unlike `any`


def _sent_keys(scope: Scope) -> list[bytes]:
    keys = []
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            keys.append(value.strip())
        elif name == b"authorization":
            scheme, _, key = value.strip().partition(b" ")
            if scheme.lower() == b"bearer":
                keys.append(key.strip())
    return keys


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
