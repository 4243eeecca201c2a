"""Images in a tar or zip archive. For splits that were not requested, only the names are read."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from edgekit.dataset.folders import Member, is_image_path, list_by_folders, split_of
from edgekit.dataset.listing import Listing, Splits
from edgekit.errors import DataError
from edgekit.image.source import error_text

try:
    from lzma import LZMAError
except ImportError:  # a Python built without lzma cannot open such an archive anyway
    LZMAError = EOFError  # type: ignore[misc, assignment]

_MAX_BYTES = 4 * 2**30
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError, zlib.error, LZMAError)
_PADDING = 2**20


def read_archive(root: Path, splits: Splits) -> Listing | None:
    """List the images of an archive.

    Args:
        root: the archive.
        splits: which splits' images to read into memory.

    Returns:
        The listing, or None if the file is not an archive.

    Raises:
        DataError: the archive is broken, or contains more than 4 GiB of the requested images.
    """
    try:
        if zipfile.is_zipfile(root):
            return _read_zip(root, splits)
        if tarfile.is_tarfile(root):
            return _read_tar(root, splits)
    except _BROKEN as error:
        raise DataError(f"{root}: broken archive: {error_text(error)}") from None
    return None


def _read_tar(root: Path, splits: Splits) -> Listing:
    """Read a tar in one pass, because a compressed one cannot be read in any other order."""
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
            archive.fileobj.read(_PADDING)  # the checksum of a compressed stream is verified only at its very end
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
    """Limits how much is unpacked: an archive of 1 MB can contain a terabyte."""

    def __init__(self, root: Path) -> None:
        self.root, self.remaining_bytes = root, _MAX_BYTES

    def read(self, file: IO[bytes]) -> bytes:
        with file:
            data = file.read(self.remaining_bytes + 1)
        self.remaining_bytes -= len(data)
        if self.remaining_bytes < 0:
            raise DataError(
                f"{self.root}: contains more than {_MAX_BYTES} bytes of images; unpack it and pass the folder instead"
            )
        return data
