"""Bodies of requests, read while their size, their speed and the memory of all of them together are limited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from edgekit.errors import quote
from edgekit.serve.body_memory import Share
from edgekit.serve.pool import Disconnected
from edgekit.serve.request_errors import BodyTooLarge, BodyTooSlow, Busy, RequestError, UnknownEncoding
from edgekit.serve.services import Services, services_of


@asynccontextmanager
async def received_body(request: Request) -> AsyncIterator[bytes]:
    """The body of a request, which counts as held in memory until the context ends.

    Raises:
        BodyTooLarge: it has more bytes than allowed, by its Content-Length or by what has arrived.
        BodyTooSlow: it does not arrive in time.
        Busy: the bodies of all requests together have more bytes than may be held.
        Disconnected: the client left before the end.
        UnknownEncoding: it is compressed.
        RequestError: it is empty.
    """
    services = services_of(request)
    _check_headers(request, services)
    with services.memory.share() as share:
        yield await _received(request, services, share)  # in no variable here, so that the caller can let go of it


async def disconnection(request: Request) -> None:
    """Wait until the client leaves. For requests whose body was received."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _check_headers(request: Request, services: Services) -> None:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise UnknownEncoding(f"the body has the content encoding {quote(encoding)}; send it without one")
    length = request.headers.get("content-length", "0").lstrip("0")
    most = str(services.settings.max_body_bytes)
    # Compared as texts: Python refuses to convert thousands of digits.
    if length.isdecimal() and (len(length), length) > (len(most), most):
        raise _too_large(services)


async def _received(request: Request, services: Services, share: Share) -> bytes:
    """Read the body; every piece is added to `share` and extends the time."""
    # One buffer: in a list, a body that arrives two bytes at a time would take 28 times its size.
    settings, body, loop = services.settings, bytearray(), asyncio.get_running_loop()
    deadline, is_complete = loop.time() + settings.body_timeout_s, False
    try:
        async with asyncio.timeout_at(deadline) as timeout:
            with services.memory.receiving(share, timeout):
                while not is_complete:
                    message = await request.receive()
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    piece, is_complete = message.get("body", b""), not message.get("more_body", False)
                    body += piece
                    has_room = share.add(len(piece))
                    if share.held > settings.max_body_bytes:
                        raise _too_large(services)
                    if not has_room:
                        raise memory_full(services)
                    deadline += len(piece) / settings.min_body_rate
                    deadline = min(deadline, loop.time() + settings.body_timeout_s)
                    timeout.reschedule(deadline)
    except TimeoutError:
        raise BodyTooSlow(
            f"the body did not arrive in time: {settings.body_timeout_s:g} s, and one more for each "
            f"{settings.min_body_rate} bytes ({share.held} bytes received)"
        ) from None
    if not share.held:
        raise RequestError("the body is empty")
    return bytes(body)


def memory_full(services: Services) -> Busy:
    """The error for bytes that do not fit."""
    return Busy(
        "the server is busy: the requests in work fill its memory; try again later",
        retry_after_s=services.pool.retry_after_s(),
    )


def _too_large(services: Services) -> BodyTooLarge:
    most = services.settings.max_body_bytes
    return BodyTooLarge(f"the body has more than the limit of {most} bytes")
