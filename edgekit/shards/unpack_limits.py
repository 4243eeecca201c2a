"""What an archive may unpack to. Images hardly compress: an archive that grows a hundredfold is made to exhaust."""

from __future__ import annotations

import zlib
from typing import IO

from edgekit.errors import DataError

UNSUSPICIOUS_BYTES, MAX_RATIO = 2**28, 100
_PIECE_BYTES = 2**20


def check_growth(name: str, *, packed_bytes: int, unpacked_bytes: int) -> None:
    """Raise DataError if an archive unpacks to more than 100 times its size, and to more than 256 MB.

    Args:
        name: of the archive, for messages.
        packed_bytes: size of the archive.
        unpacked_bytes: of its content so far.
    """
    if unpacked_bytes > max(UNSUSPICIOUS_BYTES, MAX_RATIO * packed_bytes):
        raise DataError(f"{name}: unpacks to more than {MAX_RATIO} times its size; refused")


class CountedFile:
    """A decompressed stream that is read forward only, and refused when it grows suspiciously.

    Args:
        file: the stream.
        name: what messages call it.
        packed_bytes: size of the compressed file.
    """

    def __init__(self, file: IO[bytes], name: str, *, packed_bytes: int) -> None:
        self._file, self._name, self._packed = file, name, packed_bytes
        self._position = 0

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes."""
        try:
            data = self._file.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{self._name}: cannot be decompressed: {error}") from None
        self._position += len(data)
        check_growth(self._name, packed_bytes=self._packed, unpacked_bytes=self._position)
        return data

    def seek(self, position: int) -> None:
        """Go forward to a position, or to the end if it lies behind it."""
        while self._position < position and self.read(min(_PIECE_BYTES, position - self._position)):
            pass

    def finish(self) -> None:
        """Read to the end, where a checksum is verified."""
        while self.read(_PIECE_BYTES):
            pass
