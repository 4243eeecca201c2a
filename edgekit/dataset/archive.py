"""Images in a tar or zip archive. For splits that were not requested, only the names are read."""

from __future__ import annotations

import posixpath
import stat
import tarfile
import warnings
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from edgekit.dataset.folders import Member, is_image_path, list_by_folders, split_named
from edgekit.dataset.listing import Listing, Splits
from edgekit.dataset.table import TABLE_NAME
from edgekit.errors import DataError, DataWarning, listed, quote
from edgekit.image.source import ImageSource, error_text
from edgekit.shards.reader import ShardReader
from edgekit.shards.record import ShardImage
from edgekit.shards.shard import Shard
from edgekit.shards.tar_members import TarFile
from edgekit.shards.unpack_limits import check_growth

try:
    from lzma import LZMAError
except ImportError:  # a Python built without lzma cannot open such an archive anyway
    LZMAError = EOFError  # type: ignore[misc, assignment]

_MAX_BYTES = 4 * 2**30  # of what is unpacked into memory
_MAX_MEMBERS = 2_000_000
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError, zlib.error, LZMAError)
_PADDING = 2**20
_MAX_LINK_BYTES = 4096


def read_archive(root: Path, splits: Splits) -> Listing | None:
    """List the images of an archive.

    Args:
        root: the archive.
        splits: which splits' images to read into memory.

    Returns:
        The listing, or None if the file is not an archive.

    Raises:
        DataError: the archive is broken, unpacks to far more than its size or than 4 GiB, or its layout is not clear.
    """
    try:
        is_zip = zipfile.is_zipfile(root)
        if not is_zip and not tarfile.is_tarfile(root):
            return None
        listing = _read(root, splits, is_zip=is_zip)
        if any(entry.source is None and entry.split in splits for entry in listing.entries):
            listing = _read(root, None, is_zip=is_zip)  # a class is named like a split
    except _BROKEN as error:
        raise DataError(f"{root}: broken archive: {error_text(error)}") from None
    return listing


def _read(root: Path, splits: Splits | None, *, is_zip: bool) -> Listing:
    """List the archive, with the content of images that seem to be in one of the splits; None for all of them."""
    contents = _Contents(root, splits)
    read = _read_zip if is_zip else _list_tar if _is_plain_tar(root) else _read_tar
    read(root, contents)
    contents.follow_links()
    members = [Member(path, data) for path, data in contents.images.items()]
    return list_by_folders(members, contents.folders, root=str(root))


def _list_tar(root: Path, contents: _Contents) -> None:
    """List an uncompressed tar; its images are read when they are needed."""
    shard, reader = Shard(path=str(root), kind="tar", size_bytes=root.stat().st_size), ShardReader()
    with root.open("rb") as file:
        for number, member in enumerate(TarFile(file, str(root), size_bytes=shard.size_bytes).members()):
            contents.count(member.size)
            if member.kind == "folder":
                contents.folders.append(PurePosixPath(member.name))
            elif member.kind == "link":
                contents.add_link(member.name, member.target)
            elif member.kind == "file" and contents.wants(member.name, 0):
                image = ShardImage(shard, number, member.name, (member.size, member.offset), reader)
                contents.images[PurePosixPath(member.name)] = image


def _read_tar(root: Path, contents: _Contents) -> None:
    """Read a compressed tar in one pass, because it cannot be read in any other order."""
    with tarfile.open(root) as archive:
        for info in archive:
            contents.count(info.size)
            if info.isdir():
                contents.folders.append(PurePosixPath(info.name))
            elif info.issym():
                contents.add_link(info.name, posixpath.join(posixpath.dirname(info.name), info.linkname))
            elif info.islnk():
                contents.add_link(info.name, info.linkname)
            elif info.isfile() and contents.wants(info.name, info.size):
                contents.add(info.name, archive.extractfile(info))
        if archive.fileobj is not None:
            archive.fileobj.read(_PADDING)  # the checksum of a compressed stream is verified only at its very end


def _is_plain_tar(root: Path) -> bool:
    """Whether a tar is not compressed."""
    try:
        with tarfile.open(root, "r:"):
            return True
    except tarfile.ReadError:
        return False


def _read_zip(root: Path, contents: _Contents) -> None:
    with zipfile.ZipFile(root) as archive:
        infos = archive.infolist()
        for info in infos:  # all sizes are declared at the end of the file: nothing is unpacked before they are checked
            contents.count(info.file_size)
        separator = "/" if any("/" in info.filename for info in infos) else "\\"  # as older programs of Windows write
        for info in infos:
            name = info.filename.replace(separator, "/")
            if name.endswith("/"):
                contents.folders.append(PurePosixPath(name))
            elif stat.S_ISLNK(info.external_attr >> 16) and info.file_size <= _MAX_LINK_BYTES:
                target = archive.read(info).decode(errors="surrogateescape")
                contents.add_link(name, posixpath.join(posixpath.dirname(name), target))
            elif contents.wants(name, info.file_size):
                contents.add(name, archive.open(info))


class _Contents:
    """The images and folders of an archive, collected within limits.

    Attributes:
        images: source of each image by its path, None if it was not requested. Of two members with one path the last
            counts, as when the archive is unpacked.
        folders: the folders that the archive lists.
    """

    def __init__(self, root: Path, splits: Splits | None) -> None:
        self.images: dict[PurePosixPath, ImageSource | None] = {}
        self.folders: list[PurePosixPath] = []
        self._root, self._splits = root, splits
        self._packed = root.stat().st_size
        self._links: dict[PurePosixPath, PurePosixPath] = {}
        self._members = self._declared = self._kept = 0

    def count(self, size_bytes: int) -> None:
        """Count a member by its declared size, before anything of it is unpacked."""
        self._members += 1
        self._declared += size_bytes
        check_growth(str(self._root), packed_bytes=self._packed, unpacked_bytes=self._declared)
        if self._members > _MAX_MEMBERS:
            raise DataError(f"{self._root}: has more than {_MAX_MEMBERS} members; unpack it and pass the folder")

    def wants(self, name: str, size_bytes: int) -> bool:
        """Whether a member is an image whose content is requested. Other images are added by their names."""
        path = PurePosixPath(name)
        if path.name == TABLE_NAME:
            raise DataError(f"{self._root}: contains {quote(name)}; unpack it and pass the folder of the table")
        if not is_image_path(path):
            return False
        named = {split for part in path.parts[:-2] if (split := split_named(part)) is not None}
        if self._splits is not None and not named.intersection(self._splits) and (named or None not in self._splits):
            self.images[path] = None
            return False
        self._kept += size_bytes
        if self._kept > _MAX_BYTES:
            raise DataError(
                f"{self._root}: contains more than {_MAX_BYTES} bytes of images; unpack it and pass the folder"
            )
        return True

    def add_link(self, name: str, target: str) -> None:
        """Add a link to another member; `tar` writes one for each further name of a file."""
        path = PurePosixPath(name)
        if is_image_path(path):
            self._links[path] = PurePosixPath(posixpath.normpath(target))

    def follow_links(self) -> None:
        """Add the linked images; warn of links to anything else, such as files outside of the archive."""
        targets = {path: self._links.get(target, target) for path, target in self._links.items()}
        self.images |= {path: self.images[target] for path, target in targets.items() if target in self.images}
        lost = [str(path) for path, target in targets.items() if target not in self.images]
        if lost:
            warnings.warn(
                f"{self._root}: {len(lost)} links lead to no image of the archive and are left out: "
                f"{listed(map(quote, lost), most=3)}",
                DataWarning,
                stacklevel=2,
            )

    def add(self, name: str, file: IO[bytes] | None) -> None:
        if file is not None:
            with file:
                self.images[PurePosixPath(name)] = file.read()
