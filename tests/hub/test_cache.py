"""The cache of downloaded files: its location, file names, errors and concurrent downloads."""

import hashlib
import os
import resource
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from made_server import (
    DATA,
    MAX_BYTES,
    SHA256,
    cached_files,
    fetch_quickly,
    is_whole,
    refusal,
    serve_cut,
    serve_slowly,
    serve_whole,
)

from edgekit.errors import WeightsError
from edgekit.hub import cache as cache_module
from edgekit.hub.download import RetryPolicy


@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_fetch_requests_nothing_offline_and_uses_a_file_placed_by_hand(server, tmp_path, monkeypatch, value):
    monkeypatch.setenv("EDGEKIT_OFFLINE", value)
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path))
    server.script = [serve_whole]
    place = tmp_path / "weights" / f"weights-{SHA256[:8]}.pth"
    message = refusal(server, None)
    assert "EDGEKIT_OFFLINE" in message
    assert f"place it at {place}" in message
    assert server.url in message
    assert SHA256 in message
    place.parent.mkdir(parents=True)
    place.write_bytes(b"another")
    with pytest.raises(WeightsError, match=hashlib.sha256(b"another").hexdigest()):
        fetch_quickly(server, None)
    assert place.read_bytes() == b"another"  # placed by the user, so it must not be deleted
    place.write_bytes(DATA)
    assert fetch_quickly(server, None) == place
    assert server.requests == []


@pytest.mark.parametrize("value", ["", "0", "false", "no"])
def test_fetch_downloads_if_edgekit_offline_is_off(server, tmp_path, monkeypatch, value):
    monkeypatch.setenv("EDGEKIT_OFFLINE", value)
    server.script = [serve_whole]
    assert is_whole(fetch_quickly(server, tmp_path))


def test_fetch_caches_under_edgekit_home_or_the_user_cache(server, tmp_path, monkeypatch):
    server.script = [serve_whole]
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path / "home"))
    assert fetch_quickly(server, None).parent == tmp_path / "home" / "weights"
    monkeypatch.delenv("EDGEKIT_HOME")
    monkeypatch.setattr(cache_module, "cache_folder", lambda: str(tmp_path / "user" / "edgekit"))
    assert fetch_quickly(server, None).parent == tmp_path / "user" / "edgekit" / "weights"


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
def test_file_name_stays_in_the_cache_folder(url, name):
    assert cache_module.file_name(url, "0123abcd" * 8) == name


def test_fetch_reports_a_cache_that_cannot_be_written(server, tmp_path):
    """A file takes the place of the folder, because root may write to a folder without write permission."""
    (tmp_path / "file").write_text("")
    server.script = [serve_whole]
    message = refusal(server, tmp_path / "file" / "cache")
    assert "cannot be written: Not a directory" in message
    assert "EDGEKIT_HOME" in message
    assert server.requests == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_fetch_reports_a_cache_without_write_permission(server, tmp_path):
    tmp_path.chmod(0o500)
    server.script = [serve_whole]
    assert "cannot be written: Permission denied" in refusal(server, tmp_path)


def test_fetch_reports_a_full_disk_and_frees_the_space(server, tmp_path):
    """A limit on the size of files stands for a full disk, which a test cannot have without being root."""
    server.script = [serve_whole]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        message = refusal(server, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "cannot be written: File too large; free some space" in message
    assert cached_files(tmp_path) == []


def test_fetch_downloads_once_for_concurrent_threads(server, tmp_path):
    server.script = [serve_slowly]
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: fetch_quickly(server, tmp_path), range(4)))
    assert all(is_whole(path) for path in paths)
    assert len(server.requests) == 1


def test_fetch_downloads_once_for_concurrent_processes(server, tmp_path):
    server.script = [serve_slowly]
    program = textwrap.dedent(f"""
        from pathlib import Path
        from edgekit.hub.download import fetch
        print(fetch({server.url!r}, {SHA256!r}, max_bytes={MAX_BYTES}, cache=Path({str(tmp_path)!r})))
    """)
    processes = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = {process.communicate(timeout=30)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [is_whole(Path(line)) for line in printed] == [True]
    assert len(server.requests) == 1


def test_file_lock_is_released_if_its_holder_dies(server, tmp_path):
    server.script = [serve_cut, serve_whole]
    program = textwrap.dedent(f"""
        import os
        from pathlib import Path
        from edgekit.hub.download import fetch
        die = lambda done, total: done and os._exit(9)
        fetch({server.url!r}, {SHA256!r}, max_bytes={MAX_BYTES}, cache=Path({str(tmp_path)!r}), on_bytes=die)
    """)
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=30).returncode == 9
    assert is_whole(fetch_quickly(server, tmp_path))


def test_file_lock_gives_up_on_a_stuck_holder(server, tmp_path):
    server.script = [serve_whole]
    lock, part = tmp_path / f".weights-{SHA256[:8]}.pth.lock", tmp_path / "part"
    with cache_module.file_lock(lock, growing=part, wait_s=1):
        retry = RetryPolicy(silence_s=0.1, stall_s=0.1, attempts=1)
        start = time.monotonic()
        assert "another process is downloading this file" in refusal(server, tmp_path, retry=retry)
        assert time.monotonic() - start < 15
    assert server.requests == []
