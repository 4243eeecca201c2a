"""The images of a tar or zip archive; of those whose split is not asked for, only the names are read."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from edgekit.dataset.folders import Member, is_image_path, list_by_folders, split_of
from edgekit.dataset.listing import Listing, Splits
from edgekit.errors import DataError

try:
    from lzma import LZMAError
except ImportError:  # a Python that was built without it opens no such archive
    LZMAError = EOFError  # type: ignore[misc, assignment]

_MAX_BYTES = 4 * 2**30
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError, zlib.error, LZMAError)
_PADDING = 2**20


def read_archive(root: Path, splits: Splits) -> Listing | None:
    """None for a file that is not an archive. Raises DataError for a broken or an enormous one."""
    try:
        if zipfile.is_zipfile(root):
            return _read_zip(root, splits)
        if tarfile.is_tarfile(root):
            return _read_tar(root, splits)
    except _BROKEN as error:
        raise DataError(f"{root}: broken archive: {error}") from None
    return None


def _read_tar(root: Path, splits: Splits) -> Listing:
    """In one pass: a compressed tar can only be read from front to back."""
    members, folders, budget = [], [], _ReadBudget(root)
    with tarfile.open(root) as archive:
        for info in archive:
            path = PurePosixPath(info.name)
            if info.isdir():
                folders.append(path)
            elif info.isfile() and is_image_path(path):
                file = archive.extractfile(info) if split_of(path) in splits else None
                members.append(Member(path, None if file is None else budget.read(file)))
        if archive.fileobj is not None:
            archive.fileobj.read(_PADDING)  # a compressed stream is compared with its checksum only at its very end
    return list_by_folders(members, folders)


def _read_zip(root: Path, splits: Splits) -> Listing:
    members, folders, budget = [], [], _ReadBudget(root)
    with zipfile.ZipFile(root) as archive:
        for info in archive.infolist():
            path = PurePosixPath(info.filename)
            if info.is_dir():
                folders.append(path)
            elif is_image_path(path):
                members.append(Member(path, budget.read(archive.open(info)) if split_of(path) in splits else None))
    return list_by_folders(members, folders)


class _ReadBudget:
    """How much may still be read: an archive of 1 MB can hold a terabyte."""

    def __init__(self, root: Path) -> None:
        self.root, self.remaining_bytes = root, _MAX_BYTES

    def read(self, file: IO[bytes]) -> bytes:
        with file:
            data = file.read(self.remaining_bytes + 1)
        self.remaining_bytes -= len(data)
        if self.remaining_bytes < 0:
            raise DataError(f"{self.root}: more than {_MAX_BYTES} bytes of images; unpack it and give the folder")
        return data
