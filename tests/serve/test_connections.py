"""Clients that are slow, silent, rude or many, and connections that end."""

import asyncio
import logging
import socket
import struct
import time

import pytest
from made_connections import is_closed, read_response, request_bytes, running, simple_app, wait_until

from edgekit.serve import connections

FAST = request_bytes("/fast")


@pytest.fixture(autouse=True)
def _without_errors_in_the_log(caplog):
    """asyncio and uvicorn catch and log what goes wrong inside of them."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


def ask(server, request=FAST):
    with server.connect() as sock:
        sock.sendall(request)
        return read_response(sock)


def error_of(response):
    status, headers, body = response
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert body.endswith(b"\n")
    return status, body.decode()


def test_connection_is_kept_alive_for_more_requests():
    with running() as server, server.connect() as sock:
        for _ in range(3):
            sock.sendall(FAST)
            status, headers, body = read_response(sock)
            assert (status, body, headers.get("connection")) == (200, b"fast", None)


def test_connection_serves_pipelined_requests_in_order():
    with running() as server, server.connect() as sock:
        sock.sendall(request_bytes("/slow") + FAST + request_bytes("/echo", b"abc"))
        received = b""
        while not received.endswith(b"\r\n\r\n3"):
            received += sock.recv(65536)
        assert received.count(b"HTTP/1.1 200") == 3
        assert received.index(b"\r\n\r\nslow") < received.index(b"\r\n\r\nfast")


@pytest.mark.parametrize("head", [b"GET /fast HT", b"GET /fast HTTP/1.1\r\nHost: local"])
def test_connection_refuses_a_head_that_does_not_arrive(head):
    with running(head_timeout_s=0.6) as server:
        begin = time.monotonic()
        with server.connect() as sock:
            sock.sendall(head)
            response = read_response(sock)
        assert error_of(response) == (408, '{"error": "the head of the request took longer than 0.6 s"}\n')
        assert 0.5 < time.monotonic() - begin < 10
        assert server.refusals == ["head_too_slow"]


def test_connection_refuses_a_head_that_arrives_byte_by_byte(monkeypatch):
    """A timer that starts again with every byte would wait forever."""
    monkeypatch.setattr(connections, "_LINGER_S", 0.2)
    with running(head_timeout_s=0.4) as server, server.connect() as sock:
        sock.sendall(FAST)
        assert read_response(sock)[0] == 200
        begin = time.monotonic()
        with pytest.raises(ConnectionError):  # noqa: PT012  (it may be any of the bytes)
            for byte in b"GET /fast HTTP/1.1\r\nX-Slow: " + b"a" * 10_000:
                sock.sendall(bytes([byte]))
                time.sleep(0.05)
        assert 0.3 < time.monotonic() - begin < 10
        assert server.refusals == ["head_too_slow"]


def test_connection_is_closed_if_it_stays_silent():
    with running(head_timeout_s=0.8, keep_alive_s=0.2) as server, server.connect() as silent, server.connect() as idle:
        begin = time.monotonic()
        idle.sendall(FAST)
        assert read_response(idle)[0] == 200
        assert is_closed(idle)
        assert 0.1 < time.monotonic() - begin < 10
        assert is_closed(silent)
        assert server.refusals == []


def test_connection_does_not_time_out_while_a_request_is_in_work():
    app = simple_app()
    with running(app, head_timeout_s=0.6, keep_alive_s=0.6) as server:
        server.loop.call_soon_threadsafe(server.loop.call_later, 1.5, app.state.go_on.set)
        assert ask(server, request_bytes("/held"))[2] == b"held"


def test_connection_delivers_a_response_to_a_body_that_it_does_not_read():
    """Without reading on, the system would reset the connection, and the client might never see the 413."""
    with running() as server, server.connect() as sock:
        sock.sendall(request_bytes("/early", bytes(8_000_000)))
        assert read_response(sock)[0] == 413
        sock.sendall(FAST)
        assert read_response(sock)[2] == b"fast"


def test_connection_ends_if_a_body_that_is_not_needed_goes_on_and_on():
    with running(head_timeout_s=0.3) as server, server.connect() as sock:
        sock.sendall(b"POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
        assert read_response(sock)[0] == 413
        begin = time.monotonic()
        with pytest.raises(ConnectionError):  # noqa: PT012
            while time.monotonic() < begin + 20:
                sock.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - begin < 10


def test_connection_ends_if_the_client_does_not_read():
    with running(write_timeout_s=0.3) as server, server.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(request_bytes("/large"))
        wait_until(lambda: len(server.server.server_state.connections) == 1)
        wait_until(lambda: len(server.server.server_state.connections) == 0)
        assert ask(server)[0] == 200


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /fast HTTP/1.1\r\n\r\n", 400),  # without Host
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # the start of TLS
        (b"GET /fast\r\n\r\n", 400),
        (b"GET /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET /fast HTTP/1.1\r\nHost: a\r\nX-Large: " + b"a" * 100_000, 431),
        (b"GET /" + b"a" * 100_000, 431),
    ],
)
def test_connection_refuses_what_is_not_http(request_, status):
    with running() as server:
        response = ask(server, request_)
        assert error_of(response)[0] == status
        assert response[2].startswith(b'{"error": "not a valid HTTP request: ')
        assert server.refusals == ["malformed"]


def test_connection_ends_after_a_body_with_two_lengths():
    """What follows may be part of the body for a proxy in front of the server: it is not a request."""
    lengths = "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    with running() as server, server.connect() as sock:
        sock.sendall(b"POST /fast HTTP/1.1\r\nHost: localhost\r\n" + lengths.encode() + FAST)
        status, headers, body = read_response(sock)
        assert (status, headers["connection"], body) == (200, "close", b"fast")
        assert is_closed(sock)


def test_connection_delivers_a_refusal_although_more_arrives():
    with running() as server, server.connect() as sock:
        sock.sendall(b"GET /fast HTTP/1.1\r\nHost: a\r\nX-Large: " + b"a" * 5_000_000)
        assert error_of(read_response(sock))[0] == 431


def test_connection_refuses_a_broken_body_of_a_client_that_waits_for_100_continue():
    """The refusal is the only response: no 100 Continue follows it."""
    head = "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    with running() as server, server.connect() as sock:
        sock.sendall(head.encode() + b"xyz\r\n")
        assert error_of(read_response(sock))[0] == 400
        assert sock.recv(100) == b""


def test_connection_survives_a_client_that_resets_it_while_it_is_refused(monkeypatch):
    with running(head_timeout_s=0.2) as server:
        sock = server.connect()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() resets

        transport_class = asyncio.selector_events._SelectorSocketTransport
        write = transport_class.write

        def write_and_reset(transport, data):
            write(transport, data)
            sock.close()

        monkeypatch.setattr(transport_class, "write", write_and_reset)
        sock.sendall(b"GET /fast HT")
        wait_until(lambda: server.refusals == ["head_too_slow"] and not server.server.server_state.connections)
        monkeypatch.undo()
        assert ask(server)[0] == 200


def test_connection_ignores_an_upgrade():
    with running() as server:
        assert ask(server, request_bytes("/fast", headers=["Connection: Upgrade", "Upgrade: websocket"]))[2] == b"fast"


def test_connections_beyond_the_limit_replace_the_one_that_was_silent_for_longest():
    with running(max_connections=3) as server:
        silent = [server.connect() for _ in range(3)]
        wait_until(lambda: len(server.server.server_state.connections) == 3)
        begun = silent[1]
        begun.sendall(FAST)  # no longer the one that was silent for longest
        assert read_response(begun)[0] == 200
        assert ask(server)[0] == 200
        assert is_closed(silent[0])
        begun.sendall(FAST)
        assert read_response(begun)[0] == 200
        assert server.refusals == ["too_many_connections"]
        for sock in silent:
            sock.close()


def test_connections_beyond_the_limit_are_refused_while_all_others_work():
    app = simple_app()
    with running(app, max_connections=2) as server, server.connect() as first, server.connect() as second:
        for sock in (first, second):
            sock.sendall(request_bytes("/held"))
        state = server.server.server_state
        wait_until(lambda: len(state.tasks) == 2)
        with server.connect() as third:
            assert error_of(read_response(third))[0] == 503
        server.loop.call_soon_threadsafe(app.state.go_on.set)
        assert [read_response(sock)[2] for sock in (first, second)] == [b"held"] * 2


@pytest.mark.parametrize(
    "start", [b"GET /fast HTTP/1.1\r\nX-Slow: ", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9"]
)
def test_slow_clients_do_not_stop_a_fast_one(start):
    with running() as server:
        slow = [server.connect() for _ in range(200)]
        for sock in slow:
            sock.sendall(start)
        wait_until(lambda: len(server.server.server_state.connections) == 200)
        begin = time.monotonic()
        for _ in range(20):
            for sock in slow[::10]:
                sock.sendall(b"a" if b"X-Slow" in start else b"9")
            assert ask(server)[0] == 200
        assert (time.monotonic() - begin) / 20 < 0.25
        for sock in slow:
            sock.close()
