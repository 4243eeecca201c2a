"""The page at `/`: an image and its labels. Its files are those of web bundles but for one, which asks this server."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgekit.files import sha256

_OWN, _BUNDLE = (Path(__file__).parents[1] / folder for folder in ("serve/page", "bundle/web"))
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# Every file of the page, by its path below the server's root. No other file is ever read.
_FILES = {
    "": _BUNDLE / "index.html",
    "style.css": _BUNDLE / "style.css",
    "icon.svg": _BUNDLE / "icon.svg",
    "js/app.js": _BUNDLE / "js/app.js",
    "js/facts.js": _BUNDLE / "js/facts.js",
    "js/units.js": _BUNDLE / "js/units.js",
    "js/opened_as_file.js": _BUNDLE / "js/opened_as_file.js",
    "js/backend.js": _OWN / "backend.js",
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # browsers ask whether the file is still the same
}


class _File(NamedTuple):
    """A file of the page, as it is sent."""

    content: bytes
    media_type: str
    tag: str


@cache
def _read(path: Path) -> _File:
    content = path.read_bytes()
    return _File(content, _TYPES[path.suffix], f'"{sha256(content)[:32]}"')


async def _send(path: Path, request: Request) -> Response:
    file = _read(path)
    headers = _HEADERS | {"ETag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


def media_type(path: str) -> str:
    """The content type of the page's file at a path such as "/style.css"."""
    return _TYPES[_FILES[path.removeprefix("/")].suffix]


routes = [Route(f"/{url}", partial(_send, path), methods=["GET"]) for url, path in _FILES.items()]
