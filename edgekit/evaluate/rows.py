"""Tables with a row for each image, such as probabilities: in memory while they are small, else in a temporary file.

A million images of 1000 classes have 8 GB of probabilities. Functions that go through such a table block by block need
memory that does not depend on the number of images, and what they compute of each row does not depend on the blocks.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from edgekit.errors import EdgekitError
from edgekit.preprocess.scores import Floats

Value = TypeVar("Value", bound=np.generic)
Rows: TypeAlias = "npt.NDArray[np.float64]"

_IN_MEMORY_BYTES, _BLOCK_BYTES = 2**26, 2**22


class RowCollector:
    """Collects rows of float64 values of equal length, of which at most 64 MB are in memory."""

    def __init__(self) -> None:
        self._pending: list[Rows] = []
        self._pending_bytes = self._rows = 0
        self._file: IO[bytes] | None = None

    def append(self, row: Floats) -> None:
        """Add a row.

        Args:
            row: (columns,) values.

        Raises:
            EdgekitError: the temporary file cannot be written.
        """
        self._pending.append(np.array(row, np.float64))
        self._pending_bytes += self._pending[-1].nbytes
        self._rows += 1
        if self._pending_bytes > _IN_MEMORY_BYTES:
            self._spill()

    def table(self, kept: Sequence[int] | None = None) -> Rows:
        """Return the rows as float64 (N, columns), and forget them.

        Args:
            kept: numbers of the rows to return, ascending; all by default.
        """
        if self._file is None:
            rows = np.stack(self._pending)
            self._pending = []
            return rows if kept is None or len(kept) == len(rows) else rows[list(kept)]
        self._spill()
        table: Rows = np.memmap(self._file, np.float64, "r+").reshape(self._rows, -1)
        self.close()
        if kept is None or len(kept) == self._rows:
            return table
        chosen = np.asarray(kept)
        step = _block_rows(table)
        for start in range(0, len(chosen), step):  # in place: a row moves only toward the beginning
            part = chosen[start : start + step]
            table[start : start + len(part)] = table[part]
            _release(table)
        return table[: len(chosen)]

    def close(self) -> None:
        """Close the temporary file; a table that was returned keeps its content."""
        if self._file is not None:
            self._file.close()

    __del__ = close

    def _spill(self) -> None:
        try:
            file = self._file = self._file or tempfile.TemporaryFile(prefix="edgekit-")  # noqa: SIM115  (as long as the table)
            file.writelines(row.data for row in self._pending)
            file.flush()
        except OSError as error:
            raise EdgekitError(
                f"{tempfile.gettempdir()}: the predictions of {self._rows} images cannot be written: "
                f"{error.strerror or error}; set TMPDIR to a folder with more space"
            ) from None
        self._pending, self._pending_bytes = [], 0


def blocks(table: Floats) -> Iterator[slice]:
    """Yield the ranges of rows of a table that are worked on at a time; what was read of a file is not kept in memory.

    Args:
        table: (N, columns).
    """
    step = _block_rows(table)
    for start in range(0, len(table), step):
        yield slice(start, start + step)
        _release(table)


def of_rows(table: Floats, function: Callable[[Floats], npt.NDArray[Value]]) -> npt.NDArray[Value]:
    """Apply a function block by block.

    Args:
        table: (N, columns).
        function: its result for some rows of the table, with one value for each row.

    Returns:
        The values of all rows, (N,).
    """
    return np.concatenate([function(np.asarray(table[rows])) for rows in blocks(table)])


def mapped(table: Floats, function: Callable[[Floats], Floats]) -> Rows:
    """Apply a function that returns rows of the same length; the result is as large as the table, and stored like it.

    Args:
        table: (N, columns).
        function: the rows that some rows of the table become.
    """
    if not isinstance(table, np.memmap):
        return np.asarray(function(table), np.float64)
    result = RowCollector()
    for rows in blocks(table):
        for row in function(np.asarray(table[rows])):
            result.append(row)
    return result.table()


def _block_rows(table: Floats) -> int:
    return max(1, _BLOCK_BYTES // max(1, int(table.shape[1]) * table.itemsize))


def _release(table: Floats) -> None:
    """Let the system take back the pages of a table in a file; they are read again when they are needed."""
    base = table
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(base, "madvise"):
        base.madvise(mmap.MADV_DONTNEED)
