"""A server: one process, or several that share a port; from its start to the last response."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import socket
from types import FrameType
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import Server

from edgekit.errors import EdgekitError, SpecError, check_types, listed, must_be
from edgekit.serve.connections import Connection, ConnectionLimits, ConnectionState
from edgekit.serve.listening import bind, cannot_listen, is_readable, refuse_connections, url_of
from edgekit.serve.logs import log
from edgekit.serve.metrics import MAX_COLUMNS
from edgekit.serve.shared_values import SharedValues
from edgekit.serve.supervisor import EXIT_INTERRUPTED, Supervisor, WorkerLink

# Creates the app of a process, given where it counts and the number of its row.
CreateApp: TypeAlias = Callable[[SharedValues, int], Starlette]

_DEFAULT_LIMITS = ConnectionLimits()
_MAX_WORKERS, _MAX_PORT = 256, 65535
_BACKLOG = 1024  # connections that may wait to be accepted; the system's limit may be lower
_ACCEPTED_AT_ONCE = 100
_ACCEPT_S = 0.1  # in which handshakes that have begun are completed
_SILENT_S = 1.0  # in which a request that is on its way may still arrive
_TICK_S = 0.02


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Where a server listens, with how many processes, and how it ends.

    Attributes:
        host: name or IP address.
        port: 0 for a free one.
        workers: number of processes, each of which loads the models.
        grace_s: seconds in which requests are finished when the server is asked to end.
        limits: of connections.

    Raises:
        SpecError: a value is not of its type, or not in its range.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    grace_s: float = 30.0
    limits: ConnectionLimits = _DEFAULT_LIMITS

    def __post_init__(self) -> None:
        check_types(str, host=self.host)
        for name, value, least, most in (
            ("port", self.port, 0, _MAX_PORT),
            ("workers", self.workers, 1, _MAX_WORKERS),
        ):
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise SpecError(must_be(name, f"an integer from {least} to {most}", value))
        if isinstance(self.grace_s, bool) or not isinstance(self.grace_s, int | float) or not 0 <= self.grace_s < 1e6:
            raise SpecError(must_be("grace_s", "a number of seconds from 0", self.grace_s))
        if self.workers > 1 and not hasattr(os, "fork"):
            raise SpecError(must_be("workers", "1 on this system, which cannot fork processes", self.workers))


def serve(create: CreateApp, *, options: ServerOptions) -> None:
    """Serve until SIGTERM or SIGINT (Ctrl-C), then finish the requests that have arrived.

    Nothing heavy may be imported, and no thread started, before: the processes are forked.

    Args:
        create: called in each process.
        options: where, and how.

    Raises:
        EdgekitError: the address cannot be used, a model cannot be loaded, or the processes end again and again.
        SystemExit: requests were cut off after the grace time (status 1), or by a second Ctrl-C (status 130).
    """
    values = SharedValues(options.workers, MAX_COLUMNS)
    with bind(options.host, options.port) as sock:
        if options.workers == 1:
            app = create(values, 0)
            asyncio.run(_serve(app, sock, options, on_ready=lambda: _log_start(sock, _models_of(app), workers=1)))
            return

        def run_worker(number: int, link: WorkerLink) -> None:
            app = create(values, number)
            asyncio.run(_serve(app, sock, options, on_ready=lambda: link.report_ready(_models_of(app)), link=link))

        Supervisor(run_worker, workers=options.workers, grace_s=options.grace_s).run(
            on_ready=lambda models: _log_start(sock, models, workers=options.workers),
            on_end=lambda: refuse_connections(sock),
        )


def _models_of(app: Starlette) -> tuple[str, ...]:
    names: tuple[str, ...] = app.state.services.models.names()
    return names


def _log_start(sock: socket, models: tuple[str, ...], *, workers: int) -> None:
    url = url_of(sock)
    processes = f" with {workers} processes" if workers > 1 else ""
    log(
        logging.INFO,
        "started",
        f"serving {listed(models)} at {url}{processes}",
        fields={"url": url, "models": models, "workers": workers, "pid": os.getpid()},
    )


async def _serve(
    app: Starlette,
    sock: socket,
    options: ServerOptions,
    *,
    on_ready: Callable[[], None],
    link: WorkerLink | None = None,
) -> None:
    """Run the app in this process until it is asked to end. link: to the supervisor, if there is one."""
    server = DrainingServer(
        app,
        options,
        count_refusal=app.state.services.metrics.count_failure,
        on_ready=on_ready,
        is_alone=link is None,
    )
    with _signals_handled(server, is_alone=link is None):
        if link is not None:
            link.call_if_orphaned(server.stop)
        async with app.router.lifespan_context(app):
            if not server.should_exit:
                await server.serve([sock])
    if server.cut_off:
        log(
            logging.ERROR,
            "cut_off",
            f"{server.cut_off} requests were cut off after {options.grace_s:g} s",
            fields={"requests": server.cut_off},
        )
        os._exit(EdgekitError.exit_code)  # threads that are still at work would keep the process


class DrainingServer(Server):
    """uvicorn's server with limits for connections and another end: no request that was sent is lost.

    Args:
        app: is run without a lifespan.
        options: of which the limits of connections and the grace time are used.
        count_refusal: called with the kind of each request that is refused before it reaches the app.
        on_ready: called when connections are accepted.
        is_alone: whether no other process listens on the same socket.

    Attributes:
        cut_off: number of requests that were not finished in the grace time.
    """

    def __init__(
        self,
        app: ASGIApp,
        options: ServerOptions,
        *,
        count_refusal: Callable[[str], None],
        on_ready: Callable[[], None],
        is_alone: bool,
    ) -> None:
        limits = options.limits
        config = Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            # How many connections asyncio accepts before it does anything else: a process must not take those that
            # others would serve at once.
            backlog=_ACCEPTED_AT_ONCE if is_alone else 1,
            timeout_keep_alive=limits.keep_alive_s,  # type: ignore[arg-type]  # it is only added to a time
            h11_max_incomplete_event_size=limits.max_head_bytes,
        )
        super().__init__(config)
        self.server_state: ConnectionState = ConnectionState(limits, count_refusal)
        self.cut_off = 0
        self._on_ready, self._is_alone = on_ready, is_alone
        self._host, self._port, self._grace_s = options.host, options.port, options.grace_s

    def stop(self) -> None:
        """End soon."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle no signals here: they are handled since before the models were loaded."""
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen."""
        try:
            await super().startup(sockets)
            for sock in sockets or ():
                sock.listen(_BACKLOG)  # asyncio has set the number that it accepts at once
        except OSError as error:  # another server has bound the address at the same moment
            raise cannot_listen(self._host, self._port, error) from None
        self._on_ready()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Accept what waits to be accepted, finish what has arrived, and close what is idle."""
        begin, state = time.monotonic(), self.server_state
        state.is_draining = True
        if self._is_alone:
            for sock in sockets or ():
                refuse_connections(sock)
        await asyncio.sleep(_ACCEPT_S)
        while (
            any(is_readable(sock.fileno()) for sock in sockets or ()) and time.monotonic() < begin + self._grace_s / 2
        ):
            await asyncio.sleep(_TICK_S)
        for server in self.servers:
            server.close()
        silent_until = time.monotonic() + min(_SILENT_S, self._grace_s / 2)
        while True:
            await asyncio.sleep(_TICK_S)
            connections = [one for one in state.connections if isinstance(one, Connection)]
            if not connections and not state.tasks:
                return
            if time.monotonic() > begin + self._grace_s:
                self.cut_off = sum(connection.is_busy for connection in connections)
                return
            if time.monotonic() > silent_until:
                for connection in connections:
                    connection.close_if_idle()


@contextmanager
def _signals_handled(server: DrainingServer, *, is_alone: bool) -> Iterator[None]:
    """SIGTERM and SIGINT end the server, and a second SIGINT at once. A supervised process leaves SIGINT to its parent.

    It goes to all processes of a terminal.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        if server.should_exit and number == signal.SIGINT:
            os._exit(EXIT_INTERRUPTED)
        server.stop()

    handlers = {signal.SIGTERM: handle, signal.SIGINT: handle if is_alone else signal.SIG_IGN}
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
