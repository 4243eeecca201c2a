"""A local server of one file that can misbehave in many ways, and downloads from it."""

import hashlib
import random
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edgekit.errors import WeightsError
from edgekit.hub.download import RetryPolicy, fetch

DATA = random.Random(3).randbytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
MAX_BYTES = 1_000_000
TAG = '"one"'
QUICK_RETRY = RetryPolicy(silence_s=5, stall_s=5, attempts=3, pause_s=0.01)

Respond = Callable[["Handler"], None]  # one step of a server's script


class QuietHandler(BaseHTTPRequestHandler):
    """Handles requests without logging them."""

    def head(self, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def log_message(self, *arguments):
        pass


class QuietServer(ThreadingHTTPServer):
    """Listens on a free local port. Closing it does not wait for clients."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, handler: type[QuietHandler]):
        super().__init__(("127.0.0.1", 0), handler)

    def handle_error(self, request, client_address):
        pass  # tests hang up on purpose


class Handler(QuietHandler):
    """Handles each request with the next step of the server's script, and repeats the last one."""

    server: "Server"

    def do_GET(self):
        with self.server.lock:
            self.server.requests.append((self.path, dict(self.headers)))
            respond = self.server.script.pop(0) if len(self.server.script) > 1 else self.server.script[0]
        respond(self)


class Server(QuietServer):
    def __init__(self):
        super().__init__(Handler)
        self.lock, self.requests = threading.Lock(), []
        self.script: list[Respond] = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/weights.pth"

    def ranges(self):
        return [headers.get("Range") for _, headers in self.requests]


def serve(handler: Handler, data: bytes = DATA, *, tag: str | None = TAG, cut: int | None = None) -> None:
    """Respond as a correct server, including Range and If-Range. cut: hang up after that many bytes of the body."""
    begin, condition = handler.headers.get("Range", ""), handler.headers.get("If-Range")
    versions = {"ETag": tag} if tag else {}
    if begin and condition == tag:
        start = int(begin.removeprefix("bytes=").removesuffix("-"))
        span = f"bytes {start}-{len(data) - 1}/{len(data)}"
        handler.head(206, Content_Length=len(data) - start, Content_Range=span, **versions)
        data = data[start:]
    else:
        handler.head(200, Content_Length=len(data), **versions)
    handler.wfile.write(data[:cut])


def serve_whole(handler):
    serve(handler)


def serve_cut(handler):
    serve(handler, cut=100_000)


def serve_without_ranges(handler):
    """Ignore Range and send the whole file."""
    handler.head(200, Content_Length=len(DATA), ETag=TAG)
    handler.wfile.write(DATA)


def serve_status(code, **headers):
    return lambda handler: handler.head(code, Content_Length=0, **headers)


def serve_slowly(handler):
    serve(handler, cut=50_000)
    time.sleep(0.2)
    handler.wfile.write(DATA[50_000:])


def fetch_quickly(server, cache, **changes):
    arguments = {"max_bytes": MAX_BYTES, "cache": cache, "retry": QUICK_RETRY} | changes
    return fetch(server.url, arguments.pop("sha256", SHA256), **arguments)


def refusal(server, cache, **changes) -> str:
    """Return the error message of a download, which must be one line; no file may have its final name."""
    with pytest.raises(WeightsError) as caught:
        fetch_quickly(server, cache, **changes)
    message = str(caught.value)
    assert "\n" not in message
    assert [f.name for f in cached_files(cache) if f.suffix == ".pth"] == []
    return message


def cached_files(cache: Path | None) -> list[Path]:
    """List the files in the cache, except lock files."""
    return [file for file in cache.glob("*") if not file.name.startswith(".")] if cache and cache.is_dir() else []


def is_whole(path: Path) -> bool:
    """Compare outside of an assertion, where pytest would spend minutes on showing the difference."""
    return path.read_bytes() == DATA
