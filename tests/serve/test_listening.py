"""The socket of a server, and its last moments."""

import asyncio
import socket
import sys

import pytest

from edgekit.errors import EdgekitError
from edgekit.serve.listening import bind, refuse_connections, url_of


def test_bind_reserves_a_free_port_and_refuses_connections_until_somebody_listens():
    with bind("127.0.0.1", 0) as sock:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(sock.getsockname())
        sock.listen()
        socket.create_connection(sock.getsockname()).close()


def test_bind_returns_a_socket_whose_connections_send_small_pieces_at_once():
    async def without_delay() -> int:
        found = asyncio.get_running_loop().create_future()

        def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(accepted, sock=bind("127.0.0.1", 0)) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.close()
            return await found

    assert asyncio.run(without_delay()) == 1


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "a" * 300])
def test_bind_refuses_an_address_that_is_not_of_this_machine(host):
    with pytest.raises(EdgekitError, match=r"cannot listen on .*; choose another `host` or `port`") as caught:
        bind(host, 0)
    assert len(str(caught.value)) < 400


def test_bind_refuses_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(EdgekitError, match="Address already in use"):
        bind("127.0.0.1", other.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://127.0.0.1:"),
        ("0.0.0.0", "http://127.0.0.1:"),
        ("::1", "http://[::1]:"),
        ("::", "http://[::1]:"),
    ],
)
def test_url_of_is_one_that_a_browser_can_open(host, url):
    try:
        sock = bind(host, 0)
    except EdgekitError:
        pytest.skip("this machine has no IPv6")
    with sock:
        assert url_of(sock) == f"{url}{sock.getsockname()[1]}"


@pytest.mark.skipif(sys.platform != "linux", reason="needs filters of Linux")
def test_refuse_connections_keeps_those_that_wait_to_be_accepted():
    with bind("127.0.0.1", 0) as sock:
        sock.listen(10)
        waiting = [socket.create_connection(sock.getsockname()) for _ in range(5)]
        for client in waiting:
            client.sendall(b"first")
        refuse_connections(sock)
        with pytest.raises(TimeoutError):
            socket.create_connection(sock.getsockname(), timeout=0.2)
        for client in waiting:
            client.sendall(b" second")  # established connections are not filtered
            accepted, _ = sock.accept()
            accepted.settimeout(5)
            data = b""
            while len(data) < len(b"first second"):
                data += accepted.recv(100)
            assert data == b"first second"
            accepted.close()
            client.close()
