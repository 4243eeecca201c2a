"""The Host header: a page in the browser of somebody on this machine must not reach the server by a name of its own."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from edgekit.errors import quote
from edgekit.serve.request_errors import RequestError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class HostRefused(RequestError):  # noqa: N818  (the name says what happened)
    """The Host header is not a name of the server."""

    status, kind = 421, "host"


class HostCheck:
    """Refuses requests whose Host is neither an IP address, nor localhost, nor one of the names.

    Any web site can let its own name resolve to 127.0.0.1 after its page has loaded (DNS rebinding). For the browser,
    the page and a server on this machine then have the same origin, so the page may read what the server returns. What
    gives it away is the name. An IP address in Host is safe: nobody else controls what it resolves to.

    Args:
        app: the app that is protected, inside the middleware that turns errors into responses.
        names: further host names, without a port; of any case.
    """

    def __init__(self, app: ASGIApp, names: tuple[str, ...] = ()) -> None:
        self._app, self._names = app, frozenset(name.lower() for name in (*names, "localhost"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # h11 refuses a request of HTTP/1.1 without Host. One of HTTP/1.0 without Host comes from no browser.
            for name, value in scope["headers"]:
                host = host_name(value.decode("latin-1"))
                if name == b"host" and host not in self._names and not _is_address(host):
                    raise HostRefused(
                        f"host {quote(host)} is refused; use localhost or the IP address of the server, or start it "
                        "with this host allowed, or with API keys"
                    )
        await self._app(scope, receive, send)


def host_name(value: str) -> str:
    """The host in a Host header, in lower case, without its port and brackets.

    Example:
        >>> from edgekit.serve.hosts import host_name
        >>> host_name("Example.org:8000"), host_name("[::1]:8000"), host_name("[::1]")
        ('example.org', '::1', '::1')
    """
    value = value.strip().lower()
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0].removesuffix(".")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on this host: a name or an IP address."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
