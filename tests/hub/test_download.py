"""Downloads against a local server that misbehaves in every way known to us."""

import hashlib
import os
import random
import re
import resource
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from edgekit.errors import WeightsError
from edgekit.hub import cache as cache_module
from edgekit.hub import connection
from edgekit.hub.download import Patience, fetch

DATA = random.Random(3).randbytes(300_000)
SUM = hashlib.sha256(DATA).hexdigest()
CAP = 1_000_000
TAG = '"one"'
QUICK = Patience(silence_s=5, stall_s=5, attempts=3, pause_s=0.01)

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers each request with the next entry of the server's script; the last one stands for all that follow."""

    server: "Server"

    def do_GET(self):
        with self.server.lock:
            self.server.requests.append((self.path, dict(self.headers)))
            answer = self.server.script.pop(0) if len(self.server.script) > 1 else self.server.script[0]
        answer(self)

    def head(self, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock, self.script, self.requests = threading.Lock(), [], []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/weights.pth"

    def ranges(self):
        return [headers.get("Range") for _, headers in self.requests]

    def handle_error(self, request, client_address):
        pass  # clients that hang up are what is tested


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "EDGEKIT_OFFLINE", "EDGEKIT_HOME"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def serve(handler: Handler, data: bytes = DATA, *, tag: str | None = TAG, cut: int | None = None) -> None:
    """What a good server does, Range and If-Range included; `cut` hangs up after that many bytes of the body."""
    begin, condition = handler.headers.get("Range", ""), handler.headers.get("If-Range")
    versions = {"ETag": tag} if tag else {}
    if begin and condition == tag:
        start = int(begin.removeprefix("bytes=").removesuffix("-"))
        span = f"bytes {start}-{len(data) - 1}/{len(data)}"
        handler.head(206, Content_Length=len(data) - start, Content_Range=span, **versions)
        data = data[start:]
    else:
        handler.head(200, Content_Length=len(data), **versions)
    handler.wfile.write(data[:cut])


def good(handler):
    serve(handler)


def cut(handler):
    serve(handler, cut=100_000)


def forgetful(handler):
    """Knows no Range: everything comes again."""
    handler.head(200, Content_Length=len(DATA), ETag=TAG)
    handler.wfile.write(DATA)


def status(code, **headers):
    return lambda handler: handler.head(code, Content_Length=0, **headers)


def quick(server, cache, **changes):
    arguments = {"max_bytes": CAP, "cache": cache, "patience": QUICK} | changes
    return fetch(server.url, arguments.pop("sha256", SUM), **arguments)


def refused(server, cache, **changes) -> str:
    """The message, which is one line; no file got its final name."""
    with pytest.raises(WeightsError) as caught:
        quick(server, cache, **changes)
    message = str(caught.value)
    assert "\n" not in message
    assert [f.name for f in left(cache) if f.suffix == ".pth"] == []
    return message


def left(cache: Path | None) -> list[Path]:
    """What lies in the cache, but for lock files."""
    return [file for file in cache.glob("*") if not file.name.startswith(".")] if cache and cache.is_dir() else []


def whole(path: Path) -> bool:
    """As a truth value: pytest would show the difference of the bytes, for minutes."""
    return path.read_bytes() == DATA


# ---- what goes well


@pytest.mark.parametrize("digits", [8, 20, 64])
def test_whole_file(server, tmp_path, digits):
    server.script = [good]
    path = quick(server, tmp_path / "new" / "folder", sha256=SUM[:digits].upper())
    assert path == tmp_path / "new" / "folder" / f"weights-{SUM[:8]}.pth"
    assert whole(path)
    assert left(path.parent) == [path]
    assert server.ranges() == [None]


def test_cached_file_is_verified_and_needs_no_request(server, tmp_path):
    server.script = [good]
    path = quick(server, tmp_path)
    assert quick(server, tmp_path) == path
    assert len(server.requests) == 1
    path.write_bytes(DATA[:-1] + b"x")
    assert whole(quick(server, tmp_path))
    assert len(server.requests) == 2


def test_cut_and_resumed_by_range(server, tmp_path):
    server.script = [cut, good]
    assert whole(quick(server, tmp_path))
    assert server.ranges() == [None, "bytes=100000-"]
    assert server.requests[1][1]["If-Range"] == TAG


def test_resumed_by_a_later_run(server, tmp_path):
    server.script = [cut, status(503)]
    message = refused(server, tmp_path)
    assert "503 Service Unavailable" in message
    assert f"100000 bytes are kept in {tmp_path}" in message
    assert "again to resume" in message
    server.script, server.requests = [good], []
    assert whole(quick(server, tmp_path))
    assert server.ranges() == ["bytes=100000-"]


def test_resumed_by_date_where_there_is_no_strong_tag(server, tmp_path):
    date = "Wed, 21 Oct 2015 07:28:00 GMT"

    def first(handler):
        handler.head(200, Content_Length=len(DATA), ETag='W/"weak"', Last_Modified=date)
        handler.wfile.write(DATA[:5000])

    def rest(handler):
        assert handler.headers["If-Range"] == date
        span = f"bytes 5000-{len(DATA) - 1}/{len(DATA)}"
        handler.head(206, Content_Length=len(DATA) - 5000, Content_Range=span, Last_Modified=date)
        handler.wfile.write(DATA[5000:])

    server.script = [first, rest]
    assert whole(quick(server, tmp_path))
    assert server.ranges() == [None, "bytes=5000-"]


def test_server_that_ignores_range_starts_over(server, tmp_path):
    server.script = [cut, forgetful]
    assert whole(quick(server, tmp_path))
    assert server.ranges() == [None, "bytes=100000-"]


def test_server_without_versions_starts_over(server, tmp_path):
    server.script = [lambda h: serve(h, tag=None, cut=100_000), lambda h: serve(h, tag=None)]
    assert whole(quick(server, tmp_path))
    assert server.ranges() == [None, None]


def test_changed_file_starts_over(server, tmp_path):
    old = bytes(len(DATA))
    server.script = [lambda h: serve(h, old, tag='"old"', cut=100_000), good]
    assert whole(quick(server, tmp_path))
    assert server.ranges() == [None, "bytes=100000-"]


@pytest.mark.parametrize("fault", ["another tag", "another place", "no place"])
def test_wrong_continuation_starts_over(server, tmp_path, fault):
    def wrong(handler):
        start = 7 if fault == "another place" else 100_000
        span = {} if fault == "no place" else {"Content_Range": f"bytes {start}-299999/300000"}
        handler.head(206, Content_Length=200_000, ETag='"new"' if fault == "another tag" else TAG, **span)
        handler.wfile.write(DATA[100_000:])

    server.script = [cut, wrong, good]
    assert whole(quick(server, tmp_path))
    assert server.ranges() == [None, "bytes=100000-", None]


def test_unsatisfiable_range_starts_over(server, tmp_path):
    server.script = [cut, status(416), good]
    assert whole(quick(server, tmp_path))
    assert server.ranges() == [None, "bytes=100000-", None]


def test_temporary_refusals_are_retried(server, tmp_path):
    server.script = [status(500), status(429), good]
    assert whole(quick(server, tmp_path))


def test_chunked_body_of_unknown_length(server, tmp_path):
    def chunked(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.head(200, Transfer_Encoding="chunked")
        for start in range(0, len(DATA), 50_000):
            piece = DATA[start : start + 50_000]
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    server.script = [chunked]
    seen = []
    assert whole(quick(server, tmp_path, on_progress=lambda *now: seen.append(now)))
    assert seen[-1] == (len(DATA), None)


def test_redirection_is_followed(server, tmp_path):
    server.script = [status(302, Location="/elsewhere"), status(308, Location=server.url), good]
    assert whole(quick(server, tmp_path))
    assert [path for path, _ in server.requests] == ["/weights.pth", "/elsewhere", "/weights.pth"]


def test_progress_only_grows_and_ends_whole(server, tmp_path):
    server.script = [cut, forgetful]
    seen = []
    quick(server, tmp_path, on_progress=lambda *now: seen.append(now))
    assert all(before < after for (before, _), (after, _) in pairwise(seen))
    assert seen[0] == (0, len(DATA))
    assert (100_000, len(DATA)) in seen
    assert seen[-1] == (len(DATA), len(DATA))


def test_resumed_progress_begins_where_it_was(server, tmp_path):
    server.script = [cut, status(503)]
    refused(server, tmp_path)
    server.script, seen = [good], []
    quick(server, tmp_path, on_progress=lambda *now: seen.append(now))
    assert seen[0] == (100_000, len(DATA))
    assert seen[-1] == (len(DATA), len(DATA))


def test_interrupted_by_the_user_then_resumed(server, tmp_path):
    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    server.script = [good]
    with pytest.raises(KeyboardInterrupt):
        quick(server, tmp_path, on_progress=stop)
    (part,) = (f for f in left(tmp_path) if f.suffix == ".part")
    kept = part.stat().st_size
    assert 0 < kept < len(DATA)
    assert whole(quick(server, tmp_path))
    assert server.ranges() == [None, f"bytes={kept}-"]


# ---- what goes wrong


def test_wrong_checksum(server, tmp_path):
    server.script = [lambda h: serve(h, b"something else")]
    message = refused(server, tmp_path)
    assert hashlib.sha256(b"something else").hexdigest() in message
    assert SUM in message
    assert left(tmp_path) == []
    assert len(server.requests) == 1


def test_cut_for_ever(server, tmp_path):
    server.script = [lambda h: serve(h, cut=10)]
    message = refused(server, tmp_path)
    assert "cut 299970 bytes before the end (attempt 3 of 3); 30 bytes are kept" in message
    assert server.ranges() == [None, "bytes=10-", "bytes=20-"]


def test_cut_for_ever_without_versions_keeps_nothing(server, tmp_path):
    server.script = [lambda h: serve(h, tag=None, cut=10)]
    assert "nothing is kept" in refused(server, tmp_path)
    assert left(tmp_path) == []


def test_hangs_up_without_a_word(server, tmp_path):
    server.script = [lambda handler: None]
    assert "no answer: Remote end closed connection" in refused(server, tmp_path)
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
def test_refusals(server, tmp_path, code, phrase, requests):
    server.script = [status(code)]
    message = refused(server, tmp_path)
    assert f"the server answered {phrase}" in message
    assert server.url in message
    assert len(server.requests) == requests


def test_words_of_the_server_do_not_reach_the_terminal(server, tmp_path):
    server.script = [lambda h: (h.send_response(404, "\x1b[31mpwned"), h.end_headers())]
    assert "\x1b" not in refused(server, tmp_path)


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/file", "data:,x", "\x1b[31m://x", "/weights.pth"]
)
def test_redirections_that_are_not_followed(server, tmp_path, target):
    server.script = [status(302, Location=target)]
    message = refused(server, tmp_path)
    assert repr(target) in message
    assert "is not followed" in message
    assert len(server.requests) <= 11


def test_endless_redirections(server, tmp_path):
    numbers = iter(range(10_000))
    server.script = [lambda h: h.head(302, Content_Length=0, Location=f"/{next(numbers)}")]
    assert "is not followed" in refused(server, tmp_path)
    assert len(server.requests) <= 11


@pytest.mark.parametrize(
    ("origin", "target", "followed"), [("https", "http", False), ("https", "https", True), ("http", "https", True)]
)
def test_redirection_never_gives_up_encryption(origin, target, followed):
    handler, request = connection._Redirections(), Request(f"{origin}://a.example/x")
    arguments = (request, None, 302, "Found", {}, f"{target}://b.example/x")
    if followed:
        assert handler.redirect_request(*arguments).full_url == f"{target}://b.example/x"
    else:
        with pytest.raises(HTTPError):
            handler.redirect_request(*arguments)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.example/x", "http:///x", "weights.pth", "", "data:,x"])
def test_addresses_that_are_not_http(tmp_path, url):
    with pytest.raises(WeightsError, match="not an http or https address"):
        fetch(url, SUM, max_bytes=CAP, cache=tmp_path)
    assert left(tmp_path) == []


@pytest.mark.parametrize("sha256", ["", "abc", "g" * 8, "0" * 65])
def test_impossible_checksums(server, tmp_path, sha256):
    assert "is not a SHA-256" in refused(server, tmp_path, sha256=sha256)
    assert server.requests == []


def test_declared_size_past_the_limit(server, tmp_path):
    server.script = [lambda h: h.head(200, Content_Length=10**15, ETag=TAG)]
    assert f"{10**15} bytes or more, where {CAP} is the limit" in refused(server, tmp_path)
    assert left(tmp_path) == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("length", [None, "-1", "many"])
def test_endless_body(server, tmp_path, length):
    sent = []

    def endless(handler):
        handler.head(200, **({"Content_Length": length} if length else {}))
        while True:
            handler.wfile.write(bytes(50_000))
            sent.append(50_000)

    server.script = [endless]
    assert f"where {CAP} is the limit" in refused(server, tmp_path)
    assert left(tmp_path) == []
    assert sum(sent) < 50 * CAP


def test_limit_counts_what_was_there_before(server, tmp_path):
    server.script = [cut, status(503)]
    refused(server, tmp_path)
    server.script = [good]
    assert "300000 bytes or more, where 250000" in refused(server, tmp_path, max_bytes=250_000)
    assert left(tmp_path) == []


def test_declared_length_is_too_short(server, tmp_path):
    def liar(handler):
        handler.head(200, Content_Length=1000)
        handler.wfile.write(DATA)

    server.script = [liar]
    assert hashlib.sha256(DATA[:1000]).hexdigest() in refused(server, tmp_path)


def test_declared_length_is_too_long(server, tmp_path):
    def liar(handler):
        handler.head(200, Content_Length=len(DATA) + 1, ETag=TAG)
        handler.wfile.write(DATA)

    server.script = [liar]
    assert "cut 1 bytes before the end" in refused(server, tmp_path)


def test_broken_chunks(server, tmp_path):
    def broken(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.head(200, Transfer_Encoding="chunked")
        handler.wfile.write(b"zzz\r\nwhat\r\n")

    server.script = [broken]
    assert "the connection broke off" in refused(server, tmp_path)


def test_not_http_at_all(server, tmp_path):
    server.script = [lambda h: h.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")]
    assert "no answer" in refused(server, tmp_path)


@pytest.mark.parametrize("where", ["before the headers", "in the body"])
def test_silence(server, tmp_path, where):
    done = threading.Event()

    def silent(handler):
        if where == "in the body":
            handler.head(200, Content_Length=len(DATA))
        done.wait(10)

    server.script = [silent]
    start = time.monotonic()
    message = refused(server, tmp_path, patience=Patience(silence_s=0.2, stall_s=5, attempts=2, pause_s=0.01))
    done.set()
    assert "timed out (attempt 2 of 2)" in message
    assert time.monotonic() - start < 9


@pytest.mark.parametrize("where", ["in the headers", "in the body"])
def test_dripping(server, tmp_path, where):
    """One byte now and then, so that no socket ever times out."""
    done, end = threading.Event(), time.monotonic() + 20

    def drip(handler):
        start = b"HTTP/1.0 200 OK\r\n" + (b"X-Slow: " if where == "in the headers" else b"\r\n")
        handler.wfile.write(start)
        while not done.wait(0.05) and time.monotonic() < end:
            handler.wfile.write(b"x")

    server.script = [drip]
    message = refused(server, tmp_path, patience=Patience(silence_s=5, stall_s=0.3, attempts=2, pause_s=0.01))
    done.set()
    assert re.search(r"only \d+ bytes in \d+ s \(attempt 2 of 2\)", message)


def test_slow_but_steady_is_no_stall(server, tmp_path):
    def slow(handler):
        handler.head(200, Content_Length=len(DATA))
        for start in range(0, len(DATA), 30_000):
            handler.wfile.write(DATA[start : start + 30_000])
            time.sleep(0.05)

    server.script = [slow]
    patience = Patience(silence_s=1, stall_s=0.1, attempts=1)
    assert whole(quick(server, tmp_path, patience=patience))


def test_no_network(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/weights.pth"
        start = time.monotonic()
        with pytest.raises(WeightsError) as caught:
            fetch(url, SUM, max_bytes=CAP, cache=tmp_path, patience=Patience(pause_s=20))
    assert "no connection to 127.0.0.1: Connection refused" in str(caught.value)
    assert f"place the file at {tmp_path / f'weights-{SUM[:8]}.pth'}" in str(caught.value)
    assert time.monotonic() - start < 15  # no second attempt
    assert left(tmp_path) == []


def test_unknown_host(tmp_path):
    with pytest.raises(WeightsError, match=r"no connection to nowhere\.invalid: "):
        fetch("http://nowhere.invalid/x", SUM, max_bytes=CAP, cache=tmp_path, patience=QUICK)


@pytest.mark.parametrize("url", ["http://127.0.0.1/ä", "http://127.0.0.1:none/x", "http://127.0.0.1/a b"])
def test_unusable_addresses(tmp_path, url):
    with pytest.raises(WeightsError):
        fetch(url, SUM, max_bytes=CAP, cache=tmp_path, patience=QUICK)


# ---- the environment


@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_offline(server, tmp_path, monkeypatch, value):
    monkeypatch.setenv("EDGEKIT_OFFLINE", value)
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path))
    server.script = [good]
    place = tmp_path / "weights" / f"weights-{SUM[:8]}.pth"
    message = refused(server, None)
    assert "EDGEKIT_OFFLINE" in message
    assert f"place it at {place}" in message
    assert server.url in message
    assert SUM in message
    place.parent.mkdir(parents=True)
    place.write_bytes(b"another")
    with pytest.raises(WeightsError, match=hashlib.sha256(b"another").hexdigest()):
        quick(server, None)
    assert place.read_bytes() == b"another"  # the user's own; it is not for us to delete
    place.write_bytes(DATA)
    assert quick(server, None) == place
    assert server.requests == []


@pytest.mark.parametrize("value", ["", "0", "false", "no"])
def test_not_offline(server, tmp_path, monkeypatch, value):
    monkeypatch.setenv("EDGEKIT_OFFLINE", value)
    server.script = [good]
    assert whole(quick(server, tmp_path))


def test_home(server, tmp_path, monkeypatch):
    server.script = [good]
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path / "home"))
    assert quick(server, None).parent == tmp_path / "home" / "weights"
    monkeypatch.delenv("EDGEKIT_HOME")
    monkeypatch.setattr(cache_module, "user_cache_path", lambda name, appauthor: tmp_path / "user" / name)
    assert quick(server, None).parent == tmp_path / "user" / "edgekit" / "weights"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.example/resnet-0123abcd.pth", "resnet-0123abcd.pth"),
        ("https://a.example/resnet.pth?x=../../y#z", "resnet-0123abcd.pth"),
        ("https://a.example/%2e%2e%2f%2e%2e%2fpasswd", "passwd-0123abcd"),
        ("https://a.example/..", "file-0123abcd"),
        ("https://a.example/", "file-0123abcd"),
        ("https://a.example/a%00b%5Cc:d.pth", "a_b_c_d-0123abcd.pth"),
        (f"https://a.example/{'x' * 900}.pth", f"{'x' * 120}-0123abcd.pth"),
    ],
)
def test_file_names_stay_in_the_folder(url, name):
    assert cache_module.file_name(url, "0123abcd" * 8) == name


def test_cache_that_cannot_be_written(server, tmp_path):
    """A file where the folder should be; a folder without write permission says the same, but not to root."""
    (tmp_path / "file").write_text("")
    server.script = [good]
    message = refused(server, tmp_path / "file" / "cache")
    assert "cannot be written: Not a directory" in message
    assert "EDGEKIT_HOME" in message
    assert server.requests == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_cache_without_permission(server, tmp_path):
    tmp_path.chmod(0o500)
    server.script = [good]
    assert "cannot be written: Permission denied" in refused(server, tmp_path)


def test_disk_full(server, tmp_path):
    """A limit on the size of files is the full disk that a test can have without being root."""
    server.script = [good]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        message = refused(server, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "cannot be written: File too large; free some space" in message
    assert left(tmp_path) == []


# ---- several at once


def slowly(handler):
    serve(handler, cut=50_000)
    time.sleep(0.2)
    handler.wfile.write(DATA[50_000:])


def test_threads_at_once_share_one_download(server, tmp_path):
    server.script = [slowly]
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: quick(server, tmp_path), range(4)))
    assert all(whole(path) for path in paths)
    assert len(server.requests) == 1


def test_processes_at_once_share_one_download(server, tmp_path):
    server.script = [slowly]
    program = textwrap.dedent(f"""
        from pathlib import Path
        from edgekit.hub.download import fetch
        print(fetch({server.url!r}, {SUM!r}, max_bytes={CAP}, cache=Path({str(tmp_path)!r})))
    """)
    processes = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = {process.communicate(timeout=30)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [whole(Path(line)) for line in printed] == [True]
    assert len(server.requests) == 1


def test_lock_of_a_dead_process_is_free(server, tmp_path):
    server.script = [cut, good]
    program = textwrap.dedent(f"""
        import os
        from pathlib import Path
        from edgekit.hub.download import fetch
        die = lambda done, total: done and os._exit(9)
        fetch({server.url!r}, {SUM!r}, max_bytes={CAP}, cache=Path({str(tmp_path)!r}), on_progress=die)
    """)
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=30).returncode == 9
    assert whole(quick(server, tmp_path))


def test_stuck_holder_of_the_lock(server, tmp_path):
    server.script = [good]
    lock, part = tmp_path / f".weights-{SUM[:8]}.pth.lock", tmp_path / "part"
    with cache_module.locked(lock, growing=part, wait_s=1):
        patience = Patience(silence_s=0.1, stall_s=0.1, attempts=1)
        start = time.monotonic()
        assert "another process is fetching this file" in refused(server, tmp_path, patience=patience)
        assert time.monotonic() - start < 15
    assert server.requests == []


def test_no_torch_on_the_way():
    program = (
        "import sys, edgekit.hub.resolve; print([m for m in ('torch', 'onnxruntime', 'typer') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"
