"""Reading files within limits, and writing them atomically."""

import os
import signal
import subprocess
import sys
import threading
import zipfile
import zipimport
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from made_disk import full_disk

import edgekit.files
from edgekit.errors import ArtifactError, DataError, EdgekitError
from edgekit.files import (
    atomic_file,
    check_regular_file,
    lock_file,
    read_regular_file,
    sha256,
    write_atomically,
    write_new,
    write_whole,
)


def test_write_atomically_creates_folders_and_leaves_no_other_file(tmp_path):
    path = tmp_path / "new" / "folder" / "file.bin"
    for data in (b"first", b"", b"second, longer"):
        write_atomically(path, data)
        assert path.read_bytes() == data
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]


def test_write_atomically_respects_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", b"x")
    finally:
        os.umask(old)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_write_atomically_keeps_the_old_file_if_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EdgekitError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_write_atomically_removes_the_temporary_file_if_interrupted(tmp_path, monkeypatch):
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_write_atomically_refuses_devices_folders_and_impossible_names(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / ("x" * 5000), tmp_path / "a\0b"):
        with pytest.raises(EdgekitError, match="cannot be written"):
            write_atomically(path, b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["fifo"]


def test_write_atomically_does_not_mix_concurrent_writers(tmp_path):
    path, contents = tmp_path / "file", [bytes([n]) * 100_000 for n in range(8)]
    threads = [threading.Thread(target=write_atomically, args=(path, data)) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents


def test_write_atomically_keeps_permissions_and_links(tmp_path):
    path, link = tmp_path / "target/file", tmp_path / "link"
    write_atomically(path, b"old")
    path.chmod(0o751)
    link.symlink_to(path)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o751
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(EdgekitError, match="link: cannot be written"):
        write_atomically(link, b"new")


def test_write_atomically_removes_what_a_killed_writer_left(tmp_path):
    path = tmp_path / "file"
    code = f"""
import os, signal
from pathlib import Path
from edgekit.files import write_atomically
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
write_atomically(Path({str(path)!r}), b"half")
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    (abandoned,) = tmp_path.iterdir()
    os.utime(abandoned, (0, 0))
    with abandoned.open("rb") as used:
        lock_file(used.fileno())
        write_atomically(path, b"first")
        assert abandoned.exists(), "it belongs to a writer that still runs"
    write_atomically(tmp_path / "other", b"second")
    assert abandoned.exists(), "it belongs to another file"
    write_atomically(path, b"third")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "other"]


@pytest.mark.parametrize("room", [0, 1, 999])
@pytest.mark.parametrize("write", [write_new, write_atomically])
def test_writing_to_a_full_disk_leaves_nothing(tmp_path, write, room):
    with full_disk(room), pytest.raises(EdgekitError, match="file: cannot be written: File too large"):
        write(tmp_path / "file", b"x" * 1000)
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "file", b"x" * 1000)
    assert (tmp_path / "file").read_bytes() == b"x" * 1000


def test_write_new_never_replaces_anything(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError):
            write_new(tmp_path / name, b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    for path in (tmp_path / "absent/file", tmp_path / "a\0b"):
        with pytest.raises(EdgekitError, match="cannot be written"):
            write_new(path, b"new")


@pytest.mark.parametrize("size", [100, 5000])
def test_write_whole_raises_if_only_a_part_fits(tmp_path, size):
    with (tmp_path / "file").open("wb") as file, full_disk(60), pytest.raises(OSError, match="File too large"):
        write_whole(file.fileno(), b"x" * size)


@pytest.mark.parametrize("size", [100, 200_000])
def test_write_whole_is_not_cut_by_an_interrupt(size):
    """Interrupt a process that writes lines into a full pipe: what arrives must be whole lines."""
    code = f"""
import os
from edgekit.files import write_whole
os.write(2, b"ready")
while True:
    write_whole(1, b"x" * {size} + b"\\n")
"""
    for _ in range(3):
        # Tests that run in the background of a shell ignore Ctrl-C, and so would what they start.
        heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen([sys.executable, "-c", code], **pipes, preexec_fn=heeding) as process:
            process.stderr.read(5)
            written = process.stdout.read(3 * size)
            process.send_signal(signal.SIGINT)
            written += process.stdout.read()
        assert written.endswith(b"\n")
        assert {len(line) for line in written.split(b"\n")[:-1]} == {size}


def test_write_atomically_writes_a_file_with_the_longest_name(tmp_path):
    write_atomically(tmp_path / ("n" * 255), b"x")
    assert (tmp_path / ("n" * 255)).read_bytes() == b"x"


def test_read_regular_file_applies_the_limit_exactly(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_regular_file(path, max_bytes=5, error=ArtifactError) == b"12345"
    with pytest.raises(ArtifactError, match="limit of 4"):
        read_regular_file(path, max_bytes=4, error=ArtifactError)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc here")
def test_read_regular_file_reads_files_longer_than_their_stated_size():
    assert Path("/proc/self/maps").stat().st_size == 0
    assert read_regular_file("/proc/self/maps", max_bytes=2**24, error=ArtifactError).count(b"\n") > 5
    with pytest.raises(ArtifactError, match="limit of 10 bytes"):
        read_regular_file("/proc/self/maps", max_bytes=10, error=ArtifactError)


def test_read_regular_file_refuses_a_sparse_terabyte_without_reading_it(tmp_path):
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ArtifactError, match="1099511627776 bytes"):
        read_regular_file(tmp_path / "huge", max_bytes=2**30, error=ArtifactError)


def test_check_regular_file_accepts_files_only(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo")
    for name in ("file", "link"):
        check_regular_file(tmp_path / name, error=ArtifactError)
    for path, message in (
        (tmp_path / "absent", "absent: no such file"),
        (tmp_path / "a\0b", "no such file"),
        (tmp_path, "is a folder"),
        (tmp_path / "fifo", "fifo: not a regular file; do this"),
        ("/dev/zero", "not a regular file"),
    ):
        with pytest.raises(ArtifactError, match=message):
            check_regular_file(path, error=ArtifactError, hint="; do this")


def test_sha256_matches_a_published_example():
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1


def test_read_regular_file_reads_the_archive_that_edgekit_is_imported_from(tmp_path, monkeypatch):
    archive = tmp_path / "program.pyz"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("edgekit/models/some.onnx", b"model")
    monkeypatch.setattr(edgekit.files, "__spec__", ModuleSpec("edgekit.files", zipimport.zipimporter(str(archive))))
    assert read_regular_file(archive / "edgekit/models/some.onnx", max_bytes=9, error=ArtifactError) == b"model"
    monkeypatch.chdir(tmp_path)
    assert read_regular_file("program.pyz/edgekit/models/some.onnx", max_bytes=9, error=ArtifactError) == b"model"
    for other in (archive / "edgekit/models/other.onnx", tmp_path / "other.onnx"):
        with pytest.raises(ArtifactError, match=r"cannot be opened: (Not a directory|No such file)"):
            read_regular_file(other, max_bytes=9, error=ArtifactError)


def test_atomic_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "folder" / "file.bin"
    with atomic_file(path) as file:
        file.write(b"first")
        assert not path.exists()
        file.write(b" second")
    assert path.read_bytes() == b"first second"
    for error in (KeyboardInterrupt, DataError):
        with pytest.raises(error), atomic_file(path) as file:  # noqa: PT012  (the block is what is tested)
            file.write(b"half")
            raise error("stopped")
    with pytest.raises(EdgekitError, match=r"file\.bin: cannot be written: no space"), atomic_file(path):
        raise OSError("no space")
    assert [(entry.name, entry.read_bytes()) for entry in path.parent.iterdir()] == [("file.bin", b"first second")]
