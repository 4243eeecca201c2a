"""Which addresses of the network a request may reach. They are checked after resolving, and before connecting."""

from __future__ import annotations

import ipaddress
import math
import socket
import time
from typing import Any, TypeAlias

from edgekit.errors import quote

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_WEB_PORTS, _FIRST_USER_PORT, _LAST_PORT = (80, 443), 1024, 65535


class AddressRefused(OSError):  # noqa: N818  (named after the event)
    """A host is not at an address that the request may reach. The message names the host, but not its address."""


class Reach:
    """Where the connections of one request may go, those of its redirects included.

    Whoever names an address may mean their own machine or network. What a public server redirects to, they did not
    name: after the first public address, private ones are refused.

    Args:
        public_only: also refuse private addresses at the start, and the ports of other services than the web: for
            addresses named by somebody who is not on this machine or in its network.
        until: when to try no further address, as `time.monotonic` counts: a name may have hundreds.
    """

    def __init__(self, *, public_only: bool = False, until: float = math.inf) -> None:
        self.public_only, self._until = public_only, until
        self._private_allowed = not public_only

    def connect(
        self, address: tuple[str, int], timeout: float | None = None, source: tuple[Any, ...] | None = None
    ) -> socket.socket:
        """Resolve a host and connect, as `socket.create_connection` does, to one of the addresses that were checked.

        Resolving once is what makes the check hold: a name server may return another address to a second query.

        Raises:
            AddressRefused: one of its addresses is private, or the port is refused or does not exist.
            OSError: no connection could be made.
        """
        host, port = address
        if not 0 < port <= _LAST_PORT:  # `getaddrinfo` takes it modulo 65536: 65558 is 22
            raise AddressRefused(f"port {port} does not exist; use one from 1 to {_LAST_PORT}")
        if self.public_only and port not in _WEB_PORTS and port < _FIRST_USER_PORT:
            raise AddressRefused(f"port {port} is refused; use 80, 443, or one from {_FIRST_USER_PORT}")
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        self._check(host, all(is_public(str(sockaddr[0])) for *_, sockaddr in found))
        failure = OSError("its name has no address")
        for family, kind, protocol, _, sockaddr in found:
            if time.monotonic() > self._until:
                raise TimeoutError
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(timeout)
                if source:
                    connection.bind(source)
                connection.connect(sockaddr)
            except OSError as error:
                connection.close()
                failure = error
            else:
                return connection
        raise failure

    def check_proxied(self, host: str) -> None:
        """Check a host that a proxy connects to. Only the proxy resolves its name, so only literals count as private.

        Raises:
            AddressRefused: it is a private address.
        """
        literal = host.strip("[]")
        self._check(host, host != "localhost" and (not _is_literal(literal) or is_public(literal)))

    def _check(self, host: str, public: bool) -> None:
        if public:
            self._private_allowed = False
        elif self.public_only:
            raise AddressRefused(f"{quote(host)} is not at a public address")
        elif not self._private_allowed:
            raise AddressRefused(f"redirects from a public address to a private one, {quote(host)}, are not followed")


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet.

    Private, shared, loopback, link-local (which includes the metadata services of clouds), multicast, documentation
    and reserved addresses are not, nor are IPv6 addresses that contain such an IPv4 address.

    Args:
        address: IPv4 or IPv6, in numbers; a zone (%eth0) is allowed.
    """
    return _is_public(ipaddress.ip_address(address.partition("%")[0]))


def _is_public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    if address in _NAT64:
        return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(inner is not None for inner in embedded):
        return all(_is_public(inner) for inner in embedded if inner is not None)
    return address in _GLOBAL_UNICAST and address.is_global


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
