"""Servers of `edgekit.serve` for tests, in a thread or as a process, and clients that misbehave."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from edgekit.serve.connections import ConnectionLimits
from edgekit.serve.listening import bind
from edgekit.serve.server import DrainingServer, ServerOptions

SLOW_S = 0.3


def simple_app() -> Starlette:
    """An app without models.

    /fast, /slow, /held (until the event `app.state.go_on` is set), /echo (the size of the body), /large, and /early
    (which reads no body).
    """

    async def fast(request: Request) -> Response:
        return PlainTextResponse("fast")

    async def slow(request: Request) -> Response:
        await asyncio.sleep(SLOW_S)
        return PlainTextResponse("slow")

    async def held(request: Request) -> Response:
        await request.app.state.go_on.wait()
        return PlainTextResponse("held")

    async def echo(request: Request) -> Response:
        try:
            return PlainTextResponse(str(len(await request.body())))
        except ClientDisconnect:
            return PlainTextResponse("nobody reads this")

    async def large(request: Request) -> Response:
        return Response(bytes(50_000_000))

    async def early(request: Request) -> Response:
        return PlainTextResponse("too large", status_code=413)

    handlers = {"/fast": fast, "/slow": slow, "/held": held, "/echo": echo, "/large": large, "/early": early}
    app = Starlette(routes=[Route(path, handler, methods=["GET", "POST"]) for path, handler in handlers.items()])
    app.state.go_on = asyncio.Event()
    return app


class RunningServer:
    """A server in a thread."""

    def __init__(self, server: DrainingServer, sock: socket.socket, refusals: list[str]) -> None:
        self.server, self.refusals = server, refusals
        self.address: tuple[str, int] = sock.getsockname()
        self.loop: asyncio.AbstractEventLoop
        self.thread = threading.Thread(target=lambda: asyncio.run(server.serve([sock])))

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=20)

    def stop(self) -> None:
        self.server.stop()
        self.thread.join()


@contextmanager
def running(
    app: Starlette | None = None, *, grace_s: float = 10, is_alone: bool = True, **limits: float
) -> Iterator[RunningServer]:
    """Serve an app (by default `simple_app`) on a free port of this machine."""
    refusals: list[str] = []
    ready = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def on_ready() -> None:
        loops.append(asyncio.get_running_loop())
        ready.set()

    options = ServerOptions(grace_s=grace_s, limits=ConnectionLimits(**limits))
    with bind("127.0.0.1", 0) as sock:
        server = DrainingServer(
            app or simple_app(), options, count_refusal=refusals.append, on_ready=on_ready, is_alone=is_alone
        )
        running_server = RunningServer(server, sock, refusals)
        running_server.thread.start()
        assert ready.wait(20)
        running_server.loop = loops[0]
        try:
            yield running_server
        finally:
            running_server.stop()


def request_bytes(path: str, body: bytes = b"", *, headers: Sequence[str] = (), method: str = "POST") -> bytes:
    """A request as it is sent."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def read_response(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one response; status 0 if the connection was closed before it."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return 0, {}, data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers["content-length"]):
        piece = sock.recv(65536)
        if not piece:
            break
        body += piece
    return int(status.split()[1]), headers, body


def is_closed(sock: socket.socket) -> bool:
    """Wait until the server closes the connection, or sends something."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


class ServerProcess:
    """A server as a process. lines: what it has logged."""

    def __init__(self, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *map(str, arguments)], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.lines: list[dict[str, object]] = []
        self.other_lines: list[str] = []
        self._started = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.other_lines.append(line.rstrip("\n"))
            else:
                if self.lines[-1]["event"] == "started":
                    self._started.set()
        self._started.set()

    @property
    def address(self) -> tuple[str, int]:
        self._started.wait(60)
        (url,) = [line["url"] for line in self.lines if line["event"] == "started"]
        host, _, port = str(url).removeprefix("http://").rpartition(":")
        return host, int(port)

    def events(self, *names: str) -> list[dict[str, object]]:
        return [line for line in self.lines if line["event"] in names]

    def workers(self) -> list[int]:
        """The ids of the processes that serve."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(child) for child in children.split()]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; return the exit status."""
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join(10)
        return code


SERVE = ("-m", "edgekit", "serve", "--port", "0", "--log-json")


@contextmanager
def server_process(*arguments: str | Path, program: Sequence[str] = SERVE) -> Iterator[ServerProcess]:
    """Run `edgekit serve` on a free port of this machine, or another program in Python, until the end of the block."""
    server = ServerProcess(*program, *arguments)
    try:
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)  # also processes that should have ended with it
        server.process.wait()
        assert server.process.stderr is not None
        server._reader.join(10)
        server.process.stderr.close()


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition that another thread or process fulfills."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


class Load:
    """Clients in threads that send the same request again and again, and count what happens to each.

    Args:
        address: of the server.
        request: the bytes of each request.
        keep_alive: whether a client sends many requests over one connection.
        clients: number of threads.
    """

    def __init__(self, address: tuple[str, int], request: bytes, *, keep_alive: bool, clients: int = 4) -> None:
        self.address, self.request, self.keep_alive = address, request, keep_alive
        self.statuses: list[int] = []
        self.bodies: set[bytes] = set()
        self.lost: list[str] = []  # requests that were sent and had no response
        self.refused = 0  # attempts to connect that failed
        self.last_responses = 0  # with Connection: close
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                connection = socket.create_connection(self.address, timeout=20)
            except OSError:
                self.refused += 1
                self._stop.wait(0.05)
                continue
            with connection:
                while self._send(connection) and self.keep_alive and not self._stop.is_set():
                    pass

    def _send(self, connection: socket.socket) -> bool:
        """Send a request; return whether the connection can take another one."""
        try:
            connection.sendall(self.request)
            status, headers, body = read_response(connection)
        except OSError as error:
            self.lost.append(repr(error))
            return False
        if not status:
            self.lost.append("closed without a response")
            return False
        self.statuses.append(status)
        self.bodies.add(body)
        is_last = headers.get("connection") == "close"
        self.last_responses += is_last
        return not is_last
