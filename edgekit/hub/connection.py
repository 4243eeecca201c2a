"""One request over http or https that cannot hang, trickle forever, or be redirected to another kind of address."""

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

from edgekit.errors import WeightsError, quote
from edgekit.hub.addresses import AddressRefused, Reach

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK_BYTES = 2**16
# Fewer bytes than this in `stall_s` seconds is a stall. The slowest links in use deliver a hundred times as much.
_MIN_BYTES = 2**12
_TEMPORARY_STATUS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class Interrupted(Exception):  # noqa: N818  (named after the event)
    """A transfer failed in a way that another attempt may fix. The message is the reason."""


class Unreachable(Interrupted):
    """No connection could be made."""


class RangeRefused(Interrupted):
    """The server cannot resume the download, so it has to start over."""


def check_address(url: str) -> None:
    """Raise WeightsError unless this is an http or https address without a user name or password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WeightsError(f"{quote(url)}: not an http or https address")
    if parts.username is not None:
        raise WeightsError(
            f"the address at {quote(parts.hostname)} contains a user name or password, which is not sent; remove it"
        )


def request(
    url: str,
    headers: dict[str, str],
    *,
    silence_s: float,
    stall_s: float,
    total_s: float = math.inf,
    public_only: bool = False,
) -> HTTPResponse:
    """Send a GET request and follow redirects, but never from a public address to a private one.

    Args:
        url: http or https address.
        headers: of the request.
        silence_s: seconds that connecting, or waiting for the next byte, may take.
        stall_s: seconds in which at least 4 KiB have to arrive.
        total_s: seconds that everything may take, including reading the body; exceeded by at most `silence_s`.
        public_only: refuse private addresses, and proxies, which would connect to any: for addresses that come from
            somebody else than the user of this machine.

    Returns:
        The response, with its body unread. The caller closes it.

    Raises:
        Interrupted: the request failed, but another attempt may succeed.
        WeightsError: the request failed for good.
    """
    opener = OpenerDirector()
    pace = _Pace(stall_s, time.monotonic() + total_s, total_s)
    reach = Reach(public_only=public_only, until=pace.deadline)
    for handler in (
        ProxyHandler({} if public_only else None),
        _PacedHttpHandler(pace, reach),
        _PacedHttpsHandler(pace, reach),
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
    except AddressRefused as error:
        raise WeightsError(f"{url}: {error}") from None
    except URLError as error:
        if isinstance(error.reason, AddressRefused):
            raise WeightsError(f"{url}: {error.reason}") from None
        raise Unreachable(f"no connection to {urlsplit(url).hostname}: {_reason(error.reason)}") from None
    except (OSError, HTTPException) as error:
        raise Interrupted(f"no response: {_reason(error)}") from None
    except ValueError as error:
        raise WeightsError(f"{quote(url)}: not a valid address: {error}") from None
    return response


def body(response: HTTPResponse, length: int | None) -> Iterator[bytes]:
    """Read the body of a response in pieces.

    Args:
        response: with its body unread.
        length: number of bytes to read; None for all.

    Raises:
        Interrupted: the transfer stalled, or ended before `length` bytes.
    """
    received = 0
    try:
        while length is None or received < length:
            piece = response.read1(_CHUNK_BYTES if length is None else min(_CHUNK_BYTES, length - received))
            if not piece:
                break
            received += len(piece)
            yield piece
    except (OSError, HTTPException) as error:
        raise Interrupted(f"the connection was interrupted: {_reason(error)}") from None
    if length is not None and received < length:
        raise Interrupted(f"the connection was closed {length - received} bytes before the end")


def _status_error(url: str, error: HTTPError) -> Exception:
    """Return the exception for a status other than 2xx."""
    if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return RangeRefused("the file on the server is no longer than what was already received")
    # Not the phrase that the server sent, which may contain anything, including control characters.
    phrase = HTTPStatus(error.code).phrase if error.code in list(HTTPStatus) else "unknown status"
    if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code in _TEMPORARY_STATUS:
        return Interrupted(f"the server returned {error.code} {phrase}")
    if error.code < HTTPStatus.BAD_REQUEST:
        target = error.headers.get("Location", "")
        return WeightsError(
            f"{url}: redirects to {quote(target)}, which is not followed (only http and https are, never from https to "
            "http, and only a limited number of times)"
        )
    return WeightsError(f"{url}: the server returned {error.code} {phrase}")


def _reason(error: object) -> str:
    """Describe a network error in one line."""
    if isinstance(error, TimeoutError):
        return "timed out"
    strerror = getattr(error, "strerror", None)
    return " ".join(str(strerror or error).split()) or type(error).__name__


class _HttpRedirects(HTTPRedirectHandler):
    """Refuses redirects that the base class allows: to ftp, and from https to http."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme == "http"):
            raise HTTPError(req.full_url, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Pace(NamedTuple):
    """How slow a connection may be: at least 4 KiB in `stall_s` seconds, and finished by `deadline`."""

    stall_s: float
    deadline: float
    total_s: float

    def check_deadline(self) -> None:
        if time.monotonic() > self.deadline:
            raise ConnectionError(f"took longer than {self.total_s:g} s")


class _PacedReader(RawIOBase):
    """Reads from a connection and enforces a pace. A socket's own timeout restarts with every single byte."""

    def __init__(self, raw: Any, pace: _Pace) -> None:
        self._raw, self._pace = raw, pace
        self._waited_s, self._received = 0.0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        start = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        # Only the time spent waiting here counts, not what the caller does with the bytes.
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


def _paced(
    connection_class: type[HTTPConnection], pace: _Pace, *, reach: Reach, req: Request
) -> Callable[..., HTTPConnection]:
    """Return a factory of connections of that class which go where they may, at the pace of headers and bodies."""
    is_proxied = req.has_proxy() or getattr(req, "_tunnel_host", None) is not None
    if is_proxied:
        reach.check_proxied(urlsplit(req.full_url).hostname or "")

    def paced_response(*arguments: Any, **named: Any) -> HTTPResponse:
        response = HTTPResponse(*arguments, **named)
        response.fp = BufferedReader(_PacedReader(response.fp.detach(), pace))
        return response

    def connect(host: str, **named: Any) -> HTTPConnection:
        pace.check_deadline()
        connection = connection_class(host, **named)
        connection.response_class = paced_response  # type: ignore[assignment]
        if not is_proxied:
            connection._create_connection = reach.connect  # type: ignore[attr-defined]
        return connection

    return connect


class _PacedHttpHandler(HTTPHandler):
    def __init__(self, pace: _Pace, reach: Reach) -> None:
        super().__init__()
        self._pace, self._reach = pace, reach

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_paced(HTTPConnection, self._pace, reach=self._reach, req=req), req)


class _PacedHttpsHandler(HTTPSHandler):
    def __init__(self, pace: _Pace, reach: Reach) -> None:
        super().__init__()
        self._pace, self._reach = pace, reach

    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_paced(HTTPSConnection, self._pace, reach=self._reach, req=req), req)
