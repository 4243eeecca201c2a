"""One connection of a client: what it may take in time and memory, and how it ends.

uvicorn's protocol reads and writes; this adds what it has no limit for: heads that arrive slowly or not at all, bodies
that nobody reads, responses that the client does not read, the number of connections, and a polite end.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import h11
from starlette.types import Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from edgekit.errors import truncated
from edgekit.serve.listening import is_readable
from edgekit.serve.responses import JSON, json_line

_LINGER_S = 2.0
_CLOSE_HEADER = (b"connection", b"close")
_LENGTHS = {b"content-length", b"transfer-encoding"}
_MAX_REASON = 200


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """What connections may take.

    Attributes:
        head_timeout_s: seconds in which the head of a request must arrive.
        keep_alive_s: seconds that a connection may wait for its next request.
        write_timeout_s: seconds in which a client must read 64 KiB of a response, or the rest of it.
        max_connections: number of connections at a time; beyond it, the one whose client has been silent for longest
            is closed.
        max_head_bytes: largest head of a request.
    """

    head_timeout_s: float = 10.0
    keep_alive_s: float = 75.0  # longer than what load balancers keep idle connections for, mostly 60 s
    write_timeout_s: float = 30.0
    max_connections: int = 1000
    max_head_bytes: int = 16 * 2**10


class ConnectionState(ServerState):
    """What the connections of a process share.

    Args:
        limits: of each connection.
        count_refusal: called with the kind of each request that is refused before it reaches the app.
    """

    def __init__(self, limits: ConnectionLimits, count_refusal: Callable[[str], None]) -> None:
        super().__init__()
        self.limits, self.count_refusal = limits, count_refusal
        self.is_draining = False


class Connection(H11Protocol):
    """A connection that ends when its client is too slow.

    While a request is in work, the app is in charge (of the time that a body may take, for one). At any other time the
    client owes bytes: those of a head, of a body that was not needed, or of a next request.
    """

    server_state: ConnectionState

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = self.server_state.limits
        self._read_timer, self._write_timer = _Timer(self.loop), _Timer(self.loop)
        self._is_lingering = False
        self.waits_since = self.loop.time()
        self.app = self._run_app

    @property
    def is_busy(self) -> bool:
        """Whether a request is in work."""
        return self.cycle is not None and not (self.cycle.response_complete or self.cycle.disconnected)

    @property
    def waits_for_client(self) -> bool:
        """Whether nothing happens until the client sends more."""
        return not self.is_busy or self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room if there are too many connections."""
        super().connection_made(transport)
        self._watch_client()
        if len(self.connections) > self._limits.max_connections:
            others = [c for c in self.connections if isinstance(c, Connection) and c is not self and c.waits_for_client]
            self.server_state.count_refusal("too_many_connections")
            if others:
                min(others, key=lambda other: other.waits_since).transport.abort()
            else:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "the server has too many connections; try again later")

    def data_received(self, data: bytes) -> None:
        """Read what the client sent, and see whether it still owes bytes."""
        if not self._is_lingering:
            super().data_received(data)
            self._watch_client()

    def on_response_complete(self) -> None:
        """Wait for the next request, for as long as allowed."""
        self.waits_since = self.loop.time()
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_reader()
        else:
            self._watch_client()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, even if the client does not read the end of a response."""
        super().timeout_keep_alive_handler()
        self._watch_reader()

    def pause_writing(self) -> None:
        """The client does not read: give it some time."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._write_timer.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._read_timer.cancel()
        self._write_timer.cancel()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP. uvicorn calls this while it handles the error of h11, which has a better status."""
        error = sys.exception()
        status = HTTPStatus(getattr(error, "error_status_hint", HTTPStatus.BAD_REQUEST))
        self.server_state.count_refusal("malformed")
        self._refuse(status, f"not a valid HTTP request: {truncated(str(error or msg), _MAX_REASON)}")

    def close_if_idle(self) -> None:
        """Close the connection unless a request is in work, or has arrived but was not read yet."""
        number = self.transport.get_extra_info("socket").fileno()
        if not (self.is_busy or self._is_lingering or self.transport.is_closing() or is_readable(number)):
            if self._has_partial():
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "the server is shutting down")
            else:
                self.transport.close()
                self._watch_reader()

    async def _run_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; let the client know if this response is the last.

        It is while the server drains, and if a request states the length of its body twice: a proxy in front may read
        the end of such a body as the next request (RFC 9112, section 6.1).
        """
        is_ambiguous = {name for name, _ in scope["headers"]} >= _LENGTHS

        async def send_last(message: Message) -> None:
            is_last = is_ambiguous or (self.server_state.is_draining and not self._has_partial())
            if is_last and message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), _CLOSE_HEADER]}
            await send(message)

        await self.config.loaded_app(scope, receive, send_last)

    def _watch_client(self) -> None:
        """Set or cancel the time within which the client must send what it owes."""
        owes_nothing = self.is_busy or (self.timeout_keep_alive_task is not None and not self._has_partial())
        if owes_nothing or self._is_lingering:
            self._read_timer.cancel()
        else:
            self._read_timer.start(self._limits.head_timeout_s, self._end_waiting)

    def _watch_reader(self) -> None:
        """Set the time within which the client must read."""
        self._write_timer.start(self._limits.write_timeout_s, self.transport.abort)

    def _end_waiting(self) -> None:
        """The client did not send what it owes."""
        if not self._has_partial():
            self.transport.close()
            self._watch_reader()
        elif self.conn.their_state is h11.SEND_BODY:  # of a request that has its response
            self.transport.abort()
        else:
            self.server_state.count_refusal("head_too_slow")
            timeout_s = self._limits.head_timeout_s
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the head of the request took longer than {timeout_s:g} s")

    def _has_partial(self) -> bool:
        """Whether bytes were read that belong to a request which is not in work, or not all of a body was read."""
        their_state = self.conn.their_state
        return bool(self.conn.trailing_data[0]) or (not self.is_busy and their_state is h11.SEND_BODY)

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Send an error, in place of the app's response if one is due, and close the connection.

        Not at once: closing a connection of which not all was read makes the system reset it, and the client might
        never see the response. What still arrives is dropped for a moment.
        """
        self._is_lingering = True
        self._unset_keepalive_if_required()
        self._read_timer.cancel()
        if self.is_busy:
            has_begun = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.waiting_for_100_continue = False  # nothing can be written after the end
            self.cycle.message_event.set()
            if has_begun:
                self.transport.abort()
                return
        body = json_line({"error": message})
        head = (
            f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        self.flow.resume_reading()
        self.transport.write(head.encode() + body)
        with suppress(OSError):  # the client has reset the connection
            self.transport.write_eof()
        self._read_timer.start(_LINGER_S, self.transport.abort)


class _Timer:
    """Calls a function later, once, unless it is canceled. Starting it again while it runs changes nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float, function: Callable[[], None]) -> None:
        """Call the function after that time."""
        if self._handle is None:
            self._handle = self._loop.call_later(seconds, self._fire, function)

    def cancel(self) -> None:
        """Do not call it."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self, function: Callable[[], None]) -> None:
        self._handle = None
        function()
