"""A server's end: nothing that was sent is lost. Its start, its signals, and what it refuses."""

import asyncio
import signal
import socket
import subprocess
import sys
import time

import pytest
from made_connections import (
    Load,
    is_closed,
    read_response,
    request_bytes,
    running,
    server_process,
    simple_app,
    wait_until,
)
from made_images import encoded, quadrants

from edgekit.errors import EdgekitError, SpecError
from edgekit.serve import server as server_module
from edgekit.serve.listening import bind
from edgekit.serve.server import DrainingServer, ServerOptions, serve

FAST, SLOW = request_bytes("/fast"), request_bytes("/slow")
PREDICT = request_bytes("/predict", encoded(quadrants(), "PNG"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"port": 70000}, "`port` must be an integer from 0 to 65535 (got 70000)"),
        ({"port": True}, "`port` must be an integer"),
        ({"workers": 0}, "`workers` must be an integer from 1 to 256 (got 0)"),
        ({"grace_s": -1}, "`grace_s` must be a number of seconds from 0 (got -1)"),
        ({"host": None}, "`host` must be a str (got None)"),
    ],
)
def test_server_options_refuse_values_out_of_range(wrong, message):
    with pytest.raises(SpecError) as caught:
        ServerOptions(**wrong)
    assert str(caught.value).startswith(message)


def test_draining_server_refuses_an_address_that_another_server_has_taken_meanwhile():
    with bind("127.0.0.1", 0) as taken, bind("127.0.0.1", taken.getsockname()[1]) as sock:
        taken.listen()
        options = ServerOptions(port=taken.getsockname()[1])
        server = DrainingServer(
            simple_app(), options, count_refusal=[].append, on_ready=lambda: pytest.fail("it listens"), is_alone=True
        )
        with pytest.raises(EdgekitError, match=r"cannot listen on '127\.0\.0\.1', port \d+: Address already in use"):
            asyncio.run(server.serve([sock]))


def test_draining_server_finishes_requests_in_work_and_announces_the_end():
    with running() as server, server.connect() as sock:
        sock.sendall(SLOW)
        wait_until(lambda: server.server.server_state.tasks)
        server.stop()
        status, headers, body = read_response(sock)
        assert (status, body, headers["connection"]) == (200, b"slow", "close")
        assert is_closed(sock)
    assert server.server.cut_off == 0


@pytest.mark.parametrize("is_alone", [True, False])
def test_draining_server_serves_requests_that_were_sent_before_they_could_be_read(is_alone, monkeypatch):
    """Connections that wait in the system's queue, however long accepting them takes, and one that is kept alive."""
    monkeypatch.setattr(server_module, "_ACCEPT_S", 0)
    with running(is_alone=is_alone) as server:
        kept = server.connect()
        kept.sendall(FAST)
        assert read_response(kept)[0] == 200
        server.loop.call_soon_threadsafe(time.sleep, 0.5)  # the server does nothing for a while
        server.server.stop()
        late = [server.connect() for _ in range(20)]
        for sock in (*late, kept):
            sock.sendall(FAST)
        for sock in late:
            status, headers, _ = read_response(sock)
            assert (status, headers["connection"]) == (200, "close")
        assert read_response(kept)[0] == 200
        for sock in (*late, kept):
            sock.close()


def test_draining_server_serves_pipelined_requests():
    with running() as server, server.connect() as sock:
        sock.sendall(SLOW + FAST + FAST)
        wait_until(lambda: server.server.server_state.tasks)
        server.stop()
        received = b""
        while piece := sock.recv(65536):
            received += piece
    assert received.count(b"HTTP/1.1 200") == 3
    assert received.count(b"connection: close") == 1
    assert received.endswith(b"\r\n\r\nfast")


def test_draining_server_closes_idle_connections_and_refuses_unfinished_heads():
    with running(grace_s=1) as server, server.connect() as idle, server.connect() as silent, server.connect() as begun:
        idle.sendall(FAST)
        assert read_response(idle)[0] == 200
        begun.sendall(b"GET /fast HT")
        begin = time.monotonic()
        server.server.stop()
        assert is_closed(idle)
        assert is_closed(silent)
        assert read_response(begun)[0] == 503
    assert time.monotonic() - begin < 10
    assert server.server.cut_off == 0


def test_draining_server_cuts_off_what_takes_longer_than_its_grace_time():
    with running(grace_s=0.1) as server, server.connect() as sock:
        sock.sendall(request_bytes("/held"))
        wait_until(lambda: server.server.server_state.tasks)
        server.stop()
        assert server.server.cut_off == 1


@pytest.mark.parametrize("is_alone", [True, False])
def test_draining_server_refuses_connections_only_if_no_other_process_accepts_them(is_alone, monkeypatch):
    refused = []
    monkeypatch.setattr(server_module, "refuse_connections", lambda sock: refused.append(sock.fileno()))
    with running(is_alone=is_alone) as server:
        server.stop()
    assert [number >= 0 for number in refused] == [True] * is_alone  # before it is closed


@pytest.mark.parametrize("keep_alive", [True, False])
def test_draining_server_loses_nothing_under_load(keep_alive):
    with running() as server, Load(server.address, FAST, keep_alive=keep_alive, clients=8) as load:
        wait_until(lambda: len(load.statuses) > 200)
        server.stop()
        load.stop()
    assert load.lost == []
    assert set(load.statuses) == {200}
    assert load.bodies == {b"fast"}


@pytest.mark.parametrize("workers", [1, 2])
def test_serve_loses_nothing_on_sigterm_under_load(tiny_artifact, workers):
    with (
        server_process(tiny_artifact, "--workers", str(workers)) as server,
        Load(server.address, PREDICT, keep_alive=True, clients=3) as kept,
        Load(server.address, PREDICT, keep_alive=False, clients=3) as renewed,
    ):
        loads = (kept, renewed)
        wait_until(lambda: all(len(load.statuses) > 50 for load in loads))
        begin = time.monotonic()
        code = server.end()
        took_s = time.monotonic() - begin
    events = [line["event"] for line in server.lines]
    assert (code, kept.lost, renewed.lost, events, server.other_lines) == (0, [], [], ["started"], [])
    assert took_s < 20
    for load in loads:
        assert set(load.statuses) == {200}
        assert len(load.bodies) == 1


def test_serve_ends_at_once_on_a_second_ctrl_c(tiny_artifact):
    with server_process(tiny_artifact, "--grace", "60") as server, socket.create_connection(server.address) as sock:
        sock.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        time.sleep(0.2)  # the request is in work, and never ends
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert server.process.poll() is None
        begin = time.monotonic()
        assert server.end(signal.SIGINT) == 130
        assert time.monotonic() - begin < 30


def test_serve_cuts_off_requests_after_the_grace_time(tiny_artifact):
    with server_process(tiny_artifact, "--grace", "0.5") as server, socket.create_connection(server.address) as sock:
        sock.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        time.sleep(0.2)
        assert server.end() == 1
        (line,) = server.events("cut_off")
        assert (line["requests"], line["message"]) == (1, "1 requests were cut off after 0.5 s")


def test_serve_refuses_an_address_in_use_in_one_line(tiny_artifact):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        command = [sys.executable, "-m", "edgekit", "serve", str(tiny_artifact), "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    expected = f"error: cannot listen on '127.0.0.1', port {port}: Address already in use; choose another --host or "
    assert ended.stderr == expected + "--port\n"


def test_serve_loads_nothing_heavy_before_it_forks():
    """Threads of onnxruntime and of numpy's BLAS do not exist in a forked process."""
    code = (
        "import sys, edgekit.cli.serve, edgekit.serve.server, edgekit.serve.api_keys, edgekit.serve.logs\n"
        "print(*(m for m in ('numpy', 'onnxruntime', 'PIL', 'torch', 'typer') if m in sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.stdout.strip() == ""
    assert ended.returncode == 0


def test_serve_ends_before_it_has_loaded_models_without_losing_its_exit_status(tiny_artifact):
    """SIGTERM may arrive at any moment."""
    with server_process(tiny_artifact) as server:
        time.sleep(0.5)
        assert server.end() in (0, -signal.SIGTERM)


def test_serve_raises_an_error_of_the_address():
    with pytest.raises(EdgekitError, match=r"cannot listen on 'no-such-host\.invalid', port 80"):
        serve(lambda shared, worker: None, options=ServerOptions(host="no-such-host.invalid", port=80))
