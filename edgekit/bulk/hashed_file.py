"""Files of the output whose size and digest are known when they are written."""

from __future__ import annotations

import hashlib
import io
from typing import IO, Any


class HashedFile(io.RawIOBase):
    """Writes to a file, and knows the size and digest of what was written.

    Args:
        file: open for writing bytes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file, self._digest = file, hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """The digest of what was written, as a hexadecimal string."""
        return self._digest.hexdigest()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any, /) -> int:
        """Write bytes."""
        size = self._file.write(data)
        self._digest.update(data)
        self.size_bytes += size
        return size
