"""One request over http or https that can neither hang, nor drip for ever, nor be led to another kind of address."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from edgekit.errors import WeightsError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK_BYTES = 2**16
# Slower than this over a whole `stall_s` is a stall. The slowest links in use bring a hundred times as much.
_MIN_BYTES = 2**12
_TEMPORARY_STATUS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class Interrupted(Exception):  # noqa: N818  (it reads as what happened)
    """The transfer broke off in a way that another attempt may mend; the message states how."""


class Unreachable(Interrupted):
    """No connection came about."""


class RangeRefused(Interrupted):
    """The server cannot continue what arrived before, so only starting over is left."""


def check_address(url: str) -> None:
    """Raises WeightsError for everything but http and https, and for names and passwords, which are not sent."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WeightsError(f"{url!r}: not an http or https address")
    if parts.username is not None:
        raise WeightsError(f"an address at {parts.hostname} with a name or password in it, which would not be sent")


def request(
    url: str, headers: dict[str, str], *, silence_s: float, stall_s: float, total_s: float = math.inf
) -> HTTPResponse:
    """The response to a GET with those headers, its body unread; redirects are followed. The caller closes it.

    silence_s: how long connecting, or any byte, may take; stall_s: over which time a pace is asked for; total_s: how
    long all of it may take, the body included, give or take one silence. Raises Interrupted if another attempt may
    help, and WeightsError for every other refusal.
    """
    opener = OpenerDirector()
    pace = _Pace(stall_s, time.monotonic() + total_s, total_s)
    for handler in (
        ProxyHandler(),
        _PacedHttpHandler(pace),
        _PacedHttpsHandler(pace),
        _HttpRedirects(),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    try:
        response: HTTPResponse = opener.open(
            Request(url, headers={"User-Agent": "edgekit", **headers}), timeout=silence_s
        )
    except HTTPError as error:
        with error:
            raise _status_error(url, error) from None
    except URLError as error:
        raise Unreachable(f"no connection to {urlsplit(url).hostname}: {_reason(error.reason)}") from None
    except (OSError, HTTPException) as error:
        raise Interrupted(f"no answer: {_reason(error)}") from None
    except ValueError as error:
        raise WeightsError(f"{url!r}: not a usable address: {error}") from None
    return response


def body(response: HTTPResponse, length: int | None) -> Iterator[bytes]:
    """The body in pieces, at most `length` bytes in all. Raises Interrupted if it stalls or breaks off."""
    received = 0
    try:
        while length is None or received < length:
            piece = response.read1(_CHUNK_BYTES if length is None else min(_CHUNK_BYTES, length - received))
            if not piece:
                break
            received += len(piece)
            yield piece
    except (OSError, HTTPException) as error:
        raise Interrupted(f"the connection broke off: {_reason(error)}") from None
    if length is not None and received < length:
        raise Interrupted(f"the connection was cut {length - received} bytes before the end")


def _status_error(url: str, error: HTTPError) -> Exception:
    """What to raise for a status other than 2xx."""
    if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return RangeRefused("the file at the server is not longer than what arrived of it before")
    # Not the server's own words: they may hold anything, control characters of terminals included.
    phrase = HTTPStatus(error.code).phrase if error.code in list(HTTPStatus) else "unknown status"
    if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code in _TEMPORARY_STATUS:
        return Interrupted(f"the server answered {error.code} {phrase}")
    if error.code < HTTPStatus.BAD_REQUEST:
        target = error.headers.get("Location", "")
        return WeightsError(
            f"{url}: leads to {target!r}, which is not followed: only http and https are, never from https to http, "
            "and not in circles"
        )
    return WeightsError(f"{url}: the server answered {error.code} {phrase}")


def _reason(error: object) -> str:
    """One line about an exception of the network's."""
    if isinstance(error, TimeoutError):
        return "timed out"
    strerror = getattr(error, "strerror", None)
    return " ".join(str(strerror or error).split()) or type(error).__name__


class _HttpRedirects(HTTPRedirectHandler):
    """Refuses what the base class allows beyond http: ftp, and redirects from https to http."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme == "http"):
            raise HTTPError(req.full_url, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Pace(NamedTuple):
    """How slow a connection may be: under 4 KiB in `stall_s` is too slow, and so is anything after `deadline`."""

    stall_s: float
    deadline: float
    total_s: float

    def check_deadline(self) -> None:
        if time.monotonic() > self.deadline:
            raise ConnectionError(f"took longer than {self.total_s:g} s")


class _PacedReader(RawIOBase):
    """A connection's bytes, as long as they come at a pace: each single byte restarts the time-out of a socket."""

    def __init__(self, raw: Any, pace: _Pace) -> None:
        self._raw, self._pace = raw, pace
        self._waited_s, self._received = 0.0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        start = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        # Only the time spent waiting here counts; what the caller does with the bytes may take as long as it likes.
        self._waited_s += time.monotonic() - start
        self._received += count or 0
        self._pace.check_deadline()
        if count and self._waited_s >= self._pace.stall_s:
            if self._received < _MIN_BYTES:
                raise ConnectionError(f"only {self._received} bytes in {self._waited_s:.0f} s")
            self._waited_s, self._received = 0.0, 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _paced(connection_class: type[HTTPConnection], pace: _Pace) -> Callable[..., HTTPConnection]:
    """Makes connections of that class, whose headers and bodies are read at a pace."""

    def paced_response(*arguments: Any, **named: Any) -> HTTPResponse:
        response = HTTPResponse(*arguments, **named)
        response.fp = BufferedReader(_PacedReader(response.fp.detach(), pace))
        return response

    def connect(host: str, **named: Any) -> HTTPConnection:
        pace.check_deadline()
        connection = connection_class(host, **named)
        connection.response_class = paced_response  # type: ignore[assignment]
        return connection

    return connect


class _PacedHttpHandler(HTTPHandler):
    def __init__(self, pace: _Pace) -> None:
        super().__init__()
        self._connect = _paced(HTTPConnection, pace)

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self._connect, req)


class _PacedHttpsHandler(HTTPSHandler):
    def __init__(self, pace: _Pace) -> None:
        super().__init__()
        self._connect = _paced(HTTPSConnection, pace)

    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self._connect, req)
