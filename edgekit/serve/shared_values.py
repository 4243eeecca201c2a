"""Numbers that the processes of a server share, so that any of them can report the sums over all."""

from __future__ import annotations

import mmap

_VALUE_BYTES = 8


class SharedValues:
    """Rows of float64 in memory that forked processes share. Each process writes only its own row.

    Create it before the processes are forked. A process that takes the place of one that ended gets its row as that
    left it, so counters never go back.

    Args:
        rows: number of processes, from 1.
        columns: numbers of each, from 1; all are 0 at the start.

    Example:
        >>> from edgekit.serve.shared_values import SharedValues
        >>> values = SharedValues(2, 3)
        >>> values.row(0)[1], values.row(1)[1] = 2.0, 0.5
        >>> values.totals()
        [0.0, 2.5, 0.0]
    """

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        # Without a file, and without a lock: reading and writing an aligned 8-byte number cannot be torn.
        self._values = memoryview(mmap.mmap(-1, rows * columns * _VALUE_BYTES)).cast("d")

    def row(self, number: int) -> memoryview[float]:
        """The numbers of one process: a memoryview of float64 (columns,), to be read and written."""
        return self._values[number * self.columns : (number + 1) * self.columns]

    def totals(self) -> list[float]:
        """The sum over the rows, for each column."""
        return [sum(self._values[column :: self.columns]) for column in range(self.columns)]
