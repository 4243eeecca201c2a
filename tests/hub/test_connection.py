"""Servers that refuse, redirect, stall and disconnect, and addresses that cannot be reached."""

import hashlib
import re
import socket
import threading
import time
from urllib.error import HTTPError
from urllib.request import Request

import pytest
from made_server import (
    DATA,
    MAX_BYTES,
    QUICK_RETRY,
    SHA256,
    TAG,
    cached_files,
    fetch_quickly,
    is_whole,
    refusal,
    serve,
    serve_status,
    serve_whole,
)

from edgekit.errors import WeightsError
from edgekit.hub import connection
from edgekit.hub.download import RetryPolicy, fetch


def test_fetch_retries_after_temporary_errors(server, tmp_path):
    server.script = [serve_status(500), serve_status(429), serve_whole]
    assert is_whole(fetch_quickly(server, tmp_path))


def test_fetch_reads_a_chunked_body_of_unknown_length(server, tmp_path):
    def chunked(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.head(200, Transfer_Encoding="chunked")
        for start in range(0, len(DATA), 50_000):
            piece = DATA[start : start + 50_000]
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    server.script = [chunked]
    reports = []
    assert is_whole(fetch_quickly(server, tmp_path, on_bytes=lambda *counts: reports.append(counts)))
    assert reports[-1] == (len(DATA), None)


def test_fetch_follows_redirects(server, tmp_path):
    server.script = [serve_status(302, Location="/elsewhere"), serve_status(308, Location=server.url), serve_whole]
    assert is_whole(fetch_quickly(server, tmp_path))
    assert [path for path, _ in server.requests] == ["/weights.pth", "/elsewhere", "/weights.pth"]


def test_fetch_gives_up_if_every_transfer_is_cut(server, tmp_path):
    server.script = [lambda h: serve(h, cut=10)]
    message = refusal(server, tmp_path)
    assert "closed 299970 bytes before the end (attempt 3 of 3); 30 bytes are saved" in message
    assert server.ranges() == [None, "bytes=10-", "bytes=20-"]


def test_fetch_saves_nothing_if_the_server_states_no_version(server, tmp_path):
    server.script = [lambda h: serve(h, tag=None, cut=10)]
    assert "nothing was saved" in refusal(server, tmp_path)
    assert cached_files(tmp_path) == []


def test_fetch_retries_if_the_server_hangs_up(server, tmp_path):
    server.script = [lambda handler: None]
    assert "no response: Remote end closed connection" in refusal(server, tmp_path)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("code", "phrase", "requests"),
    [
        (404, "404 Not Found", 1),
        (403, "403 Forbidden", 1),
        (500, "500 Internal Server Error", 3),
        (599, "599 unknown status", 3),
    ],
)
def test_fetch_reports_the_status(server, tmp_path, code, phrase, requests):
    server.script = [serve_status(code)]
    message = refusal(server, tmp_path)
    assert f"the server returned {phrase}" in message
    assert server.url in message
    assert len(server.requests) == requests


def test_fetch_does_not_print_the_phrase_of_the_server(server, tmp_path):
    server.script = [lambda h: (h.send_response(404, "\x1b[31mpwned"), h.end_headers())]
    assert "\x1b" not in refusal(server, tmp_path)


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/file", "data:,x", "\x1b[31m://x", "/weights.pth"]
)
def test_fetch_refuses_redirects_to_other_schemes_and_to_itself(server, tmp_path, target):
    server.script = [serve_status(302, Location=target)]
    message = refusal(server, tmp_path)
    assert repr(target) in message
    assert "is not followed" in message
    assert len(server.requests) <= 11


def test_fetch_refuses_endless_redirects(server, tmp_path):
    numbers = iter(range(10_000))
    server.script = [lambda h: h.head(302, Content_Length=0, Location=f"/{next(numbers)}")]
    assert "is not followed" in refusal(server, tmp_path)
    assert len(server.requests) <= 11


@pytest.mark.parametrize(
    ("origin", "target", "followed"), [("https", "http", False), ("https", "https", True), ("http", "https", True)]
)
def test_redirect_request_refuses_a_redirect_from_https_to_http(origin, target, followed):
    handler, request = connection._HttpRedirects(), Request(f"{origin}://a.example/x")
    arguments = (request, None, 302, "Found", {}, f"{target}://b.example/x")
    if followed:
        assert handler.redirect_request(*arguments).full_url == f"{target}://b.example/x"
    else:
        with pytest.raises(HTTPError):
            handler.redirect_request(*arguments)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.example/x", "http:///x", "weights.pth", "", "data:,x"])
def test_fetch_refuses_addresses_that_are_not_http(tmp_path, url):
    with pytest.raises(WeightsError, match="not an http or https address"):
        fetch(url, SHA256, max_bytes=MAX_BYTES, cache=tmp_path)
    assert cached_files(tmp_path) == []


def test_fetch_detects_a_declared_length_that_is_too_short(server, tmp_path):
    def misdeclare(handler):
        handler.head(200, Content_Length=1000)
        handler.wfile.write(DATA)

    server.script = [misdeclare]
    assert hashlib.sha256(DATA[:1000]).hexdigest() in refusal(server, tmp_path)


def test_fetch_detects_a_declared_length_that_is_too_long(server, tmp_path):
    def misdeclare(handler):
        handler.head(200, Content_Length=len(DATA) + 1, ETag=TAG)
        handler.wfile.write(DATA)

    server.script = [misdeclare]
    assert "closed 1 bytes before the end" in refusal(server, tmp_path)


def test_fetch_reports_invalid_chunks(server, tmp_path):
    def broken(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.head(200, Transfer_Encoding="chunked")
        handler.wfile.write(b"zzz\r\nwhat\r\n")

    server.script = [broken]
    assert "the connection was interrupted" in refusal(server, tmp_path)


def test_fetch_reports_a_server_of_another_protocol(server, tmp_path):
    server.script = [lambda h: h.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")]
    assert "no response" in refusal(server, tmp_path)


@pytest.mark.parametrize("where", ["before the headers", "in the body"])
def test_fetch_gives_up_on_a_silent_server(server, tmp_path, where):
    done = threading.Event()

    def silent(handler):
        if where == "in the body":
            handler.head(200, Content_Length=len(DATA))
        done.wait(10)

    server.script = [silent]
    start = time.monotonic()
    message = refusal(server, tmp_path, retry=RetryPolicy(silence_s=0.2, stall_s=5, attempts=2, pause_s=0.01))
    done.set()
    assert "timed out (attempt 2 of 2)" in message
    assert time.monotonic() - start < 9


@pytest.mark.parametrize("where", ["in the headers", "in the body"])
def test_fetch_gives_up_on_a_server_that_trickles(server, tmp_path, where):
    """One byte at a time, so that the socket never times out."""
    done, end = threading.Event(), time.monotonic() + 20

    def trickle(handler):
        start = b"HTTP/1.0 200 OK\r\n" + (b"X-Slow: " if where == "in the headers" else b"\r\n")
        handler.wfile.write(start)
        while not done.wait(0.05) and time.monotonic() < end:
            handler.wfile.write(b"x")

    server.script = [trickle]
    message = refusal(server, tmp_path, retry=RetryPolicy(silence_s=5, stall_s=0.3, attempts=2, pause_s=0.01))
    done.set()
    assert re.search(r"only \d+ bytes in \d+ s \(attempt 2 of 2\)", message)


def test_fetch_accepts_a_slow_but_steady_server(server, tmp_path):
    def slow(handler):
        handler.head(200, Content_Length=len(DATA))
        for start in range(0, len(DATA), 30_000):
            handler.wfile.write(DATA[start : start + 30_000])
            time.sleep(0.05)

    server.script = [slow]
    retry = RetryPolicy(silence_s=1, stall_s=0.1, attempts=1)
    assert is_whole(fetch_quickly(server, tmp_path, retry=retry))


def test_fetch_fails_at_once_without_a_network(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # bound but not listening
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/weights.pth"
        start = time.monotonic()
        with pytest.raises(WeightsError) as caught:
            fetch(url, SHA256, max_bytes=MAX_BYTES, cache=tmp_path, retry=RetryPolicy(pause_s=20))
    assert "no connection to 127.0.0.1: Connection refused" in str(caught.value)
    assert f"place the file at {tmp_path / f'weights-{SHA256[:8]}.pth'}" in str(caught.value)
    assert time.monotonic() - start < 15  # no second attempt
    assert cached_files(tmp_path) == []


def test_fetch_reports_an_unknown_host(tmp_path):
    with pytest.raises(WeightsError, match=r"no connection to nowhere\.invalid: "):
        fetch("http://nowhere.invalid/x", SHA256, max_bytes=MAX_BYTES, cache=tmp_path, retry=QUICK_RETRY)


@pytest.mark.parametrize("url", ["http://127.0.0.1/ä", "http://127.0.0.1:none/x", "http://127.0.0.1/a b"])
def test_fetch_refuses_invalid_addresses(tmp_path, url):
    with pytest.raises(WeightsError):
        fetch(url, SHA256, max_bytes=MAX_BYTES, cache=tmp_path, retry=QUICK_RETRY)
