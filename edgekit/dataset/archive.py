"""The pictures of a tar or zip archive; of those that are not wanted, only the names are read."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from edgekit.dataset.folders import Member, found_in, is_picture, split_of
from edgekit.dataset.listing import Found, Wanted
from edgekit.errors import DataError

try:
    from lzma import LZMAError
except ImportError:  # a Python that was built without it opens no such archive
    LZMAError = EOFError  # type: ignore[misc, assignment]

_MAX_BYTES = 4 * 2**30
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError, zlib.error, LZMAError)
_PADDING = 2**20


def read_archive(root: Path, wanted: Wanted) -> Found | None:
    """None for a file that is no archive. Raises DataError for a broken or an enormous one."""
    try:
        if zipfile.is_zipfile(root):
            return _read_zip(root, wanted)
        if tarfile.is_tarfile(root):
            return _read_tar(root, wanted)
    except _BROKEN as error:
        raise DataError(f"{root}: broken archive: {error}") from None
    return None


def _read_tar(root: Path, wanted: Wanted) -> Found:
    """In one pass: a compressed tar can only be read from front to back."""
    members, folders, budget = [], [], _Budget(root)
    with tarfile.open(root) as archive:
        for info in archive:
            path = PurePosixPath(info.name)
            if info.isdir():
                folders.append(path)
            elif info.isfile() and is_picture(path):
                file = archive.extractfile(info) if wanted(split_of(path)) else None
                members.append(Member(path, None if file is None else budget.read(file)))
        if archive.fileobj is not None:
            archive.fileobj.read(_PADDING)  # a compressed stream is compared with its checksum only at its very end
    return found_in(members, folders)


def _read_zip(root: Path, wanted: Wanted) -> Found:
    members, folders, budget = [], [], _Budget(root)
    with zipfile.ZipFile(root) as archive:
        for info in archive.infolist():
            path = PurePosixPath(info.filename)
            if info.is_dir():
                folders.append(path)
            elif is_picture(path):
                members.append(Member(path, budget.read(archive.open(info)) if wanted(split_of(path)) else None))
    return found_in(members, folders)


class _Budget:
    """How much may still be read: an archive of 1 MB can hold a terabyte."""

    def __init__(self, root: Path) -> None:
        self.root, self.left = root, _MAX_BYTES

    def read(self, file: IO[bytes]) -> bytes:
        with file:
            data = file.read(self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise DataError(f"{self.root}: more than {_MAX_BYTES} bytes of pictures; unpack it and give the folder")
        return data
