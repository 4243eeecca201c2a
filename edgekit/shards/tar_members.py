"""The members of a tar file, header by header: bounded, in one pass, and with the offsets of their data.

Python's `tarfile` reads extended headers of any size into memory, and expands sparse maps; here they are refused. The
format is that of POSIX.1-2001 (pax Interchange Format, ustar) with GNU's long names and base-256 numbers.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from edgekit.errors import DataError, EdgekitError, quote

BLOCK = 512
_MAX_HEADER_BYTES = 2**20  # of an extended header; a path has at most 4096 bytes
_FILE, _LINK, _SYMLINK, _FOLDER = b"\0", b"1", b"2", b"5"
_FILES = (b"0", _FILE, b"7")
_LOCAL_PAX, _GLOBAL_PAX, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"
_EXTENSIONS = (_LOCAL_PAX, _GLOBAL_PAX, _LONG_NAME, _LONG_LINK)
_SPARSE = b"S"
_CHECKSUM = slice(148, 156)


class TarMember(NamedTuple):
    """A member of a tar file.

    Attributes:
        name: its path, relative, without ./ before it.
        offset: where its data begin in the (decompressed) tar file.
        size: of its data, in bytes.
        kind: "file", "folder", "link" or "other" (a device or FIFO).
        target: of a link: the path of the member that it leads to.
    """

    name: str
    offset: int
    size: int
    kind: str
    target: str = ""


class TarFile:
    """A tar file that is read forward; `read` may read the data of any member if the file can seek.

    Args:
        file: opened for reading at its beginning; decompressed.
        name: what messages call it.
        size_bytes: of the file, to recognize members that end behind it; None if it is not known, as of a compressed
            one.

    Attributes:
        has_end_mark: False if all members have been read and the blocks of zeros at the end are missing.
    """

    def __init__(self, file: BinaryIO, name: str, *, size_bytes: int | None) -> None:
        self._file, self._name, self._size = file, name, size_bytes
        self._position = 0
        self.has_end_mark = True
        self._global: dict[str, str] = {}

    def members(self) -> Iterator[TarMember]:
        """Yield all members in order.

        Raises:
            DataError: the file is broken or cut off, or a member is sparse or has a path that leads out of the archive.
        """
        position = 0
        while (block := self._block(position)) is not None:
            fields: dict[str, str] = {}
            while block[156:157] in _EXTENSIONS:
                position = self._extend(fields, block, position)
                following = self._block(position)
                if following is None:
                    raise self._broken(position, "ends after an extended header")
                block = following
            member = self._member(block, {**self._global, **fields}, position + BLOCK)
            yield member
            position = member.offset + _padded(member.size)

    def read(self, member: TarMember) -> bytes:
        """Return the data of a member of a size that the caller has checked."""
        return self._read(member.offset, member.size)

    def _block(self, position: int) -> bytes | None:
        """The header at a position, its checksum verified; None at the end."""
        block = self._read(position, BLOCK, whole=False)
        if not block:
            self.has_end_mark = False
            return None
        if len(block) < BLOCK:
            raise self._broken(position, "is cut off in a header")
        if not any(block):
            return None
        stored = _number(block[_CHECKSUM])
        total = sum(block) - sum(block[_CHECKSUM]) + 8 * 32
        if stored != total and stored != total - 256 * sum(byte > 127 for byte in (*block[:148], *block[156:])):
            raise self._broken(position, "is not a tar header" if position else "is not a tar file")
        return block

    def _extend(self, fields: dict[str, str], block: bytes, position: int) -> int:
        """Read an extended header into the fields; return the position after it."""
        kind, size = block[156:157], self._size_of(block, position)
        if size > _MAX_HEADER_BYTES:
            raise self._broken(position, f"has an extended header of {size} bytes")
        data = self._read(position + BLOCK, size)
        if kind in (_LOCAL_PAX, _GLOBAL_PAX):
            (fields if kind == _LOCAL_PAX else self._global).update(self._pax_fields(data, position))
        else:
            fields["path" if kind == _LONG_NAME else "linkpath"] = _text(data.partition(b"\0")[0])
        return position + BLOCK + _padded(size)

    def _pax_fields(self, data: bytes, position: int) -> dict[str, str]:
        """The records LENGTH KEY=VALUE of a pax header."""
        fields, start = {}, 0
        while start < len(data) and data[start]:
            length, _, rest = data[start : start + 20].partition(b" ")
            end = start + int(length) if length.isdigit() else 0
            key, equals, value = data[start + len(length) + 1 : end - 1].partition(b"=")
            if not rest or not start < end <= len(data) or not equals or data[end - 1 : end] != b"\n":
                raise self._broken(position, "has a broken pax header")
            fields[_text(key)] = _text(value)
            start = end
        return fields

    def _member(self, block: bytes, fields: dict[str, str], offset: int) -> TarMember:
        flag, name = block[156:157], fields.get("path") or _header_name(block)
        if flag == _SPARSE or any(key.startswith("GNU.sparse") for key in fields):
            raise DataError(f"{self._name}: {quote(name)} is stored as a sparse file; pack it again without --sparse")
        is_file = flag in _FILES and not (flag == _FILE and name.endswith("/"))
        size = self._size_of(block, offset - BLOCK)
        if "size" in fields:
            if not fields["size"].isdecimal() or len(fields["size"]) > 19:
                raise self._broken(offset - BLOCK, f"declares the size {quote(fields['size'])}")
            size = int(fields["size"])
        size = 0 if flag in (_LINK, _SYMLINK, b"3", b"4", _FOLDER, b"6") else size
        if self._size is not None and offset + size > self._size:
            raise DataError(
                f"{self._name}: is cut off: {quote(name)} has {size} bytes, of which the file contains "
                f"{max(self._size - offset, 0)}"
            )
        target = fields.get("linkpath") or _text(block[157:257].partition(b"\0")[0])
        if flag == _SYMLINK:
            target = posixpath.join(posixpath.dirname(name), target)
        kind = "file" if is_file else {_LINK: "link", _SYMLINK: "link", _FOLDER: "folder", _FILE: "folder"}.get(flag)
        return TarMember(self._relative(name), offset, size, kind or "other", posixpath.normpath(target))

    def _relative(self, name: str) -> str:
        """The name without ./ and / around it."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts:
            raise DataError(f"{self._name}: the path of a member must be relative and without .. (got {quote(name)})")
        return "/".join(parts)

    def _size_of(self, block: bytes, position: int) -> int:
        size = _number(block[124:136])
        if size is None or size < 0:
            raise self._broken(position, f"declares the size {quote(block[124:136])}")
        return size

    def _read(self, offset: int, size: int, *, whole: bool = True) -> bytes:
        try:
            if self._position != offset:
                self._file.seek(offset)
            data = self._file.read(size)
        except EdgekitError:
            raise
        except Exception as error:  # what clients of object stores raise
            raise DataError(f"{self._name}: cannot be read: {str(error) or type(error).__name__}") from None
        self._position = offset + len(data)
        if whole and len(data) < size:
            raise self._broken(offset, f"is cut off: {len(data)} of {size} bytes")
        return bytes(data)

    def _broken(self, position: int, reason: str) -> DataError:
        return DataError(f"{self._name}: broken tar file: {reason} (at byte {position})")


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _number(field: bytes) -> int | None:
    """An octal number between blanks, or GNU's base 256; None if it is neither."""
    if field[0] in (0x80, 0xFF):
        return int.from_bytes(field[1:], "big") - (256 ** (len(field) - 1) if field[0] == 0xFF else 0)
    digits = field.partition(b"\0")[0].strip(b" ") or b"0"
    return int(digits, 8) if digits.isdigit() and not digits.strip(b"01234567") else None


def _header_name(block: bytes) -> str:
    name = _text(block[:100].partition(b"\0")[0])
    prefix = _text(block[345:500].partition(b"\0")[0]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")
