"""Complete and resumed downloads, progress, checksums and size limits."""

import hashlib
from itertools import pairwise

import pytest
from made_server import (
    DATA,
    MAX_BYTES,
    SHA256,
    TAG,
    cached_files,
    fetch_quickly,
    is_whole,
    refusal,
    serve,
    serve_cut,
    serve_status,
    serve_whole,
    serve_without_ranges,
)


@pytest.mark.parametrize("digits", [8, 20, 64])
def test_fetch_downloads_a_file(server, tmp_path, digits):
    server.script = [serve_whole]
    path = fetch_quickly(server, tmp_path / "new" / "folder", sha256=SHA256[:digits].upper())
    assert path == tmp_path / "new" / "folder" / f"weights-{SHA256[:8]}.pth"
    assert is_whole(path)
    assert cached_files(path.parent) == [path]
    assert server.ranges() == [None]


def test_fetch_verifies_a_cached_file_and_requests_nothing(server, tmp_path):
    server.script = [serve_whole]
    path = fetch_quickly(server, tmp_path)
    assert fetch_quickly(server, tmp_path) == path
    assert len(server.requests) == 1
    path.write_bytes(DATA[:-1] + b"x")
    assert is_whole(fetch_quickly(server, tmp_path))
    assert len(server.requests) == 2


def test_fetch_resumes_by_range(server, tmp_path):
    server.script = [serve_cut, serve_whole]
    assert is_whole(fetch_quickly(server, tmp_path))
    assert server.ranges() == [None, "bytes=100000-"]
    assert server.requests[1][1]["If-Range"] == TAG


def test_fetch_resumes_in_a_later_call(server, tmp_path):
    server.script = [serve_cut, serve_status(503)]
    message = refusal(server, tmp_path)
    assert "503 Service Unavailable" in message
    assert f"100000 bytes are saved in {tmp_path}" in message
    assert "again to resume" in message
    server.script, server.requests = [serve_whole], []
    assert is_whole(fetch_quickly(server, tmp_path))
    assert server.ranges() == ["bytes=100000-"]


def test_fetch_resumes_by_date_if_there_is_no_strong_etag(server, tmp_path):
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
    assert is_whole(fetch_quickly(server, tmp_path))
    assert server.ranges() == [None, "bytes=5000-"]


def test_fetch_starts_over_if_the_server_ignores_range(server, tmp_path):
    server.script = [serve_cut, serve_without_ranges]
    assert is_whole(fetch_quickly(server, tmp_path))
    assert server.ranges() == [None, "bytes=100000-"]


def test_fetch_starts_over_if_the_server_states_no_version(server, tmp_path):
    server.script = [lambda h: serve(h, tag=None, cut=100_000), lambda h: serve(h, tag=None)]
    assert is_whole(fetch_quickly(server, tmp_path))
    assert server.ranges() == [None, None]


def test_fetch_starts_over_if_the_file_has_changed(server, tmp_path):
    old = bytes(len(DATA))
    server.script = [lambda h: serve(h, old, tag='"old"', cut=100_000), serve_whole]
    assert is_whole(fetch_quickly(server, tmp_path))
    assert server.ranges() == [None, "bytes=100000-"]


@pytest.mark.parametrize("fault", ["another tag", "another place", "no place"])
def test_fetch_starts_over_after_a_wrong_part(server, tmp_path, fault):
    def wrong(handler):
        start = 7 if fault == "another place" else 100_000
        span = {} if fault == "no place" else {"Content_Range": f"bytes {start}-299999/300000"}
        handler.head(206, Content_Length=200_000, ETag='"new"' if fault == "another tag" else TAG, **span)
        handler.wfile.write(DATA[100_000:])

    server.script = [serve_cut, wrong, serve_whole]
    assert is_whole(fetch_quickly(server, tmp_path))
    assert server.ranges() == [None, "bytes=100000-", None]


def test_fetch_starts_over_if_the_range_cannot_be_satisfied(server, tmp_path):
    server.script = [serve_cut, serve_status(416), serve_whole]
    assert is_whole(fetch_quickly(server, tmp_path))
    assert server.ranges() == [None, "bytes=100000-", None]


def test_fetch_reports_progress_that_only_grows(server, tmp_path):
    server.script = [serve_cut, serve_without_ranges]
    reports = []
    fetch_quickly(server, tmp_path, on_bytes=lambda *counts: reports.append(counts))
    assert all(before < after for (before, _), (after, _) in pairwise(reports))
    assert reports[0] == (0, len(DATA))
    assert (100_000, len(DATA)) in reports
    assert reports[-1] == (len(DATA), len(DATA))


def test_fetch_reports_progress_from_where_it_resumes(server, tmp_path):
    server.script = [serve_cut, serve_status(503)]
    refusal(server, tmp_path)
    server.script, reports = [serve_whole], []
    fetch_quickly(server, tmp_path, on_bytes=lambda *counts: reports.append(counts))
    assert reports[0] == (100_000, len(DATA))
    assert reports[-1] == (len(DATA), len(DATA))


def test_fetch_resumes_after_an_interruption_by_the_user(server, tmp_path):
    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    server.script = [serve_whole]
    with pytest.raises(KeyboardInterrupt):
        fetch_quickly(server, tmp_path, on_bytes=stop)
    (part,) = (f for f in cached_files(tmp_path) if f.suffix == ".part")
    saved = part.stat().st_size
    assert 0 < saved < len(DATA)
    assert is_whole(fetch_quickly(server, tmp_path))
    assert server.ranges() == [None, f"bytes={saved}-"]


def test_fetch_refuses_a_wrong_checksum(server, tmp_path):
    server.script = [lambda h: serve(h, b"something else")]
    message = refusal(server, tmp_path)
    assert hashlib.sha256(b"something else").hexdigest() in message
    assert SHA256 in message
    assert cached_files(tmp_path) == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("sha256", ["", "abc", "g" * 8, "0" * 65])
def test_fetch_refuses_an_invalid_checksum_argument(server, tmp_path, sha256):
    assert "`sha256` must be 64 hexadecimal digits" in refusal(server, tmp_path, sha256=sha256)
    assert server.requests == []


def test_fetch_refuses_a_declared_size_over_the_limit(server, tmp_path):
    server.script = [lambda h: h.head(200, Content_Length=10**15, ETag=TAG)]
    assert f"at least {10**15} bytes, more than the limit of {MAX_BYTES} bytes" in refusal(server, tmp_path)
    assert cached_files(tmp_path) == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("length", [None, "-1", "many"])
def test_fetch_stops_an_endless_body_at_the_limit(server, tmp_path, length):
    sent = []

    def endless(handler):
        handler.head(200, **({"Content_Length": length} if length else {}))
        while True:
            handler.wfile.write(bytes(50_000))
            sent.append(50_000)

    server.script = [endless]
    assert f"more than the limit of {MAX_BYTES} bytes" in refusal(server, tmp_path)
    assert cached_files(tmp_path) == []
    assert sum(sent) < 50 * MAX_BYTES


def test_fetch_applies_the_limit_to_a_resumed_file(server, tmp_path):
    server.script = [serve_cut, serve_status(503)]
    refusal(server, tmp_path)
    server.script = [serve_whole]
    assert "at least 300000 bytes, more than the limit of 250000" in refusal(server, tmp_path, max_bytes=250_000)
    assert cached_files(tmp_path) == []
