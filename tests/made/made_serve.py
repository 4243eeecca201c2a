"""Apps of `edgekit.serve` without a server, for tests: one request at a time, or a plain server in a thread."""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import uvicorn

CUT_OFF = None  # in the place of a piece of a body: the client leaves


class Reply(NamedTuple):
    """A response; status 0 if there was none."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def error(self) -> str:
        """The message of an error response, which must be one line of JSON with nothing else."""
        assert self.headers["content-type"] == "application/json"
        assert self.body.count(b"\n") == 1
        ((key, message),) = self.json.items()
        assert key == "error"
        assert "\n" not in message
        return message


async def call_async(
    app: Any,
    method: str,
    target: str,
    *,
    body: bytes | Sequence[bytes | None] = b"",
    headers: Mapping[str, str] | None = None,
    pause_s: float = 0.0,
    stays_s: float = 60.0,
) -> Reply:
    """Send a request to an app.

    body: its pieces, if it arrives in several; CUT_OFF ends the connection. pause_s: between two pieces. stays_s: until
    the client leaves after the body.
    """
    path, _, query = target.partition("?")
    pieces: list[bytes | None] = [body] if isinstance(body, bytes) else list(body)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    received: list[bytes | None] = []
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not pieces:
            await asyncio.sleep(stays_s)
            return {"type": "http.disconnect"}
        if received:
            await asyncio.sleep(pause_s)
        received.append(piece := pieces.pop(0))
        if piece is CUT_OFF:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return Reply(0, {}, b"")
    names = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], names, b"".join(message.get("body", b"") for message in sent[1:]))


def call(app: Any, method: str, target: str, **arguments: Any) -> Reply:
    """Send one request to an app in an event loop of its own; as `call_async`."""
    return asyncio.run(call_async(app, method, target, **arguments))


class Client:
    """A connection that is kept alive, and further ones beside it. A context manager closes them all."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._others: list[Client] = []

    def another(self) -> "Client":
        self._others.append(Client(self.port))
        return self._others[-1]

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        for client in (self, *self._others):
            client.connection.close()

    def ask(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        self.connection.request(method, target, body, dict(headers or {}))
        response = self.connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, names, response.read())


@contextmanager
def serving(app: Any) -> Iterator[Client]:
    """Serve an app on a free port of this machine, in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        with Client(server.servers[0].sockets[0].getsockname()[1]) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def form(*files: tuple[str, bytes], boundary: str = "edge") -> tuple[bytes, dict[str, str]]:
    """The body of a form with files by their names, and the headers of its request."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'.encode() + data
        for name, data in files
    ]
    body = b"\r\n".join([*parts, f"--{boundary}--\r\n".encode()])
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
