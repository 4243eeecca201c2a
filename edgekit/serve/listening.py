"""The socket on which a server listens, and its last moments, in which no connection may get lost."""

from __future__ import annotations

import ctypes
import os
import selectors
import socket
import struct
import sys
from contextlib import suppress

from edgekit.errors import EdgekitError, quote

_SO_ATTACH_FILTER = 26  # of Linux; the module `socket` has no name for it
# A classic BPF program that the system runs on each packet for the socket, which starts with the TCP header: drop those
# whose flags (byte 13) include SYN, which asks for a new connection; keep the rest.
_DROP_SYN = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load byte 13
        (0x45, 0, 1, 0x02),  # any bit of 0x02 set? go on, else skip one
        (0x06, 0, 0, 0),  # return 0 bytes: drop
        (0x06, 0, 0, 0xFFFF_FFFF),  # return all bytes: keep
    )
)


def bind(host: str, port: int) -> socket.socket:
    """Reserve an address. Connections are refused until somebody listens.

    Args:
        host: name or IP address; "0.0.0.0" for all of IPv4, "::" for all of IPv4 and IPv6.
        port: 0 for a free one.

    Raises:
        EdgekitError: the address cannot be used.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(found, key=lambda item: item[0] != socket.AF_INET)  # IPv4 if there is a choice
        # Stated, because asyncio sends small pieces at once (TCP_NODELAY) only if it sees that a socket is of TCP. The
        # body of a response, which follows its head, would wait 40 ms for the client's delayed acknowledgment.
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except (OSError, OverflowError, UnicodeError) as error:
        raise cannot_listen(host, port, error) from None
    try:
        if os.name == "posix":  # on Windows, the option would let two servers have one port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise cannot_listen(host, port, error) from None
    return sock


def cannot_listen(host: str, port: int, error: Exception) -> EdgekitError:
    """The error for an address that cannot be used."""
    reason = getattr(error, "strerror", None) or error
    return EdgekitError(f"cannot listen on {quote(host)}, port {port}: {reason}; choose another `host` or `port`")


def url_of(sock: socket.socket) -> str:
    """The address of the server, as a browser on this machine takes it."""
    host, port = sock.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


def is_readable(number: int) -> bool:
    """Whether something waits to be read from a socket, or to be accepted. number: its file descriptor."""
    with selectors.DefaultSelector() as selector:
        selector.register(number, selectors.EVENT_READ)
        return bool(selector.select(0))


def refuse_connections(sock: socket.socket) -> None:
    """Let no new connection begin. Those that have begun can still be accepted.

    Closing a listening socket resets every connection that waits to be accepted: clients that have already sent their
    request. So the system first drops attempts to connect, for all processes that share the socket. Clients repeat
    those after a second, and are refused by then. Other systems than Linux cannot do that, and reset what arrives
    between the last `accept` and closing.
    """
    if sys.platform == "linux":
        program = ctypes.create_string_buffer(_DROP_SYN)
        # struct sock_fprog: the number of instructions, of 8 bytes each, and their address
        pointer = struct.pack("HL", len(_DROP_SYN) // 8, ctypes.addressof(program))
        with suppress(OSError):  # some sandboxes have no filters
            sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pointer)
