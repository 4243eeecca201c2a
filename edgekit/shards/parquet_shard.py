"""Records of Parquet files, in batches of few rows, so that no row group has to fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from edgekit.errors import DataError, EdgekitError, quote, truncated
from edgekit.files import check_regular_file
from edgekit.optional import require
from edgekit.shards.layout import ShardLayout
from edgekit.shards.parquet_columns import Columns, find_columns
from edgekit.shards.record import Label, text_label_of
from edgekit.shards.stores import Store, is_uri, local_path, shown

_BATCH_ROWS, _LABEL_ROWS = 16, 10_000
# What is read at a time of each column: a request to an object store costs as much time as a megabyte.
_BUFFER_BYTES, _REMOTE_BUFFER_BYTES = 2**20, 2**23


class Cell(NamedTuple):
    """The image of a row: its bytes, or the path of its file; neither if the value is missing."""

    data: bytes | None
    path: str | None


class ParquetShard:
    """An opened Parquet file.

    Args:
        path: of the file.
        store: in which it lies.
        layout: which columns are read.

    Raises:
        DataError: the file cannot be read, or its columns are not clear.
    """

    def __init__(self, path: str, store: Store, layout: ShardLayout) -> None:
        parquet = require("pyarrow.parquet", extra="bulk")
        self._name = shown(path)
        buffer_size = _REMOTE_BUFFER_BYTES if is_uri(path) else _BUFFER_BYTES
        with self._explained():
            source = self._source(path, store)
            self._file = parquet.ParquetFile(source, pre_buffer=False, buffer_size=buffer_size)
            self.columns: Columns = find_columns(self._file.schema_arrow, layout, self._name)

    def _source(self, path: str, store: Store) -> Any:
        """The opened file: of this machine one of Arrow's own, which reads without asking Python."""
        file = local_path(path)
        if file is None:
            return store.open(path)
        check_regular_file(file, error=DataError)
        return require("pyarrow", extra="bulk").OSFile(str(file))

    @property
    def row_groups(self) -> list[int]:
        """The number of rows of each row group."""
        metadata = self._file.metadata
        return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]

    def cells(self, group: int) -> Iterator[list[Cell]]:
        """Yield the images of a row group in order, in batches."""
        for batch in self._batches(group, [self.columns.image], _BATCH_ROWS):
            yield [self._cell(value) for value in batch.column(0).to_pylist()]

    def keys_and_labels(self, group: int) -> Iterator[tuple[str | None, Label | None]]:
        """Yield the key and label of each row of a row group; no key if it is the number of the row."""
        key_column, label_column = self._key_column(), self.columns.label
        wanted = list(dict.fromkeys(column for column in (key_column, label_column) if column is not None))
        if not wanted:
            yield from ((None, None) for _ in range(self.row_groups[group]))
            return
        for batch in self._batches(group, wanted, _LABEL_ROWS):
            nothing = [None] * batch.num_rows
            top = self.columns.key or self.columns.image
            keys = nothing if key_column is None else batch.column(top).to_pylist()
            labels = nothing if label_column is None else batch.column(label_column).to_pylist()
            for key, label in zip(keys, labels, strict=True):
                key = key.get("path") if isinstance(key, dict) else key
                yield None if key is None else str(key), self._label(label)

    def records(self, group: int) -> Iterator[tuple[str | None, Label | None, Cell]]:
        """Yield key, label and image of each row of a row group."""
        details = self.keys_and_labels(group)
        for cells in self.cells(group):
            for cell in cells:
                yield *next(details), cell

    def close(self) -> None:
        """Close the file."""
        self._file.close(force=True)

    def _key_column(self) -> str | None:
        """The column of the keys; of a struct of bytes and path, only its path is read."""
        if self.columns.key is not None or self.columns.kind == "bytes":
            return self.columns.key
        return f"{self.columns.image}.path" if self.columns.kind == "struct" else self.columns.image

    def _batches(self, group: int, columns: list[str], rows: int) -> Iterator[Any]:
        with self._explained():
            batches = self._file.iter_batches(rows, row_groups=[group], columns=columns, use_threads=False)
            yield from batches

    def _cell(self, value: Any) -> Cell:
        if self.columns.kind == "struct":
            fields = value or {}
            return Cell(fields.get("bytes"), fields.get("path"))
        return Cell(None, value) if self.columns.kind == "path" else Cell(value, None)

    def _label(self, value: Any) -> Label | None:
        if isinstance(value, str):
            label = text_label_of(value)
            if label is None and value.strip():
                raise DataError(
                    f"{self._name}: a label must be one line of at most 256 characters (got {quote(value)})"
                )
            return label
        return None if value is None else int(value)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn whatever Arrow raises for a broken file into a DataError of one line."""
        try:
            yield
        except (EdgekitError, GeneratorExit):
            raise
        except Exception as error:  # ArrowInvalid, OSError, MemoryError, ValueError, ...
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DataError(f"{self._name}: broken Parquet file, or not one: {truncated(reason, 200)}") from None
