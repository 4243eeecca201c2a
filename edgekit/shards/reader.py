"""Reading single images of shards, in any order."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from edgekit.errors import DataError, ImageError
from edgekit.shards.parquet_shard import Cell, ParquetShard
from edgekit.shards.record import ShardImage, too_large
from edgekit.shards.shard import cell_image
from edgekit.shards.stores import Store, is_uri, open_store, split_query

if TYPE_CHECKING:
    from edgekit.shards.shard import Shard

# Of encoded images, for the images around the last one of a row group, and for all row groups.
_WINDOW_BYTES, _CACHE_BYTES = 2**26, 2**27
# A request to an object store takes as long as the transfer of a megabyte.
_AHEAD_BYTES, _MOST_PIECES = 2**22, 16


class ShardReader:
    """Opens shards for many images, from any thread. It is empty when it is pickled, and after a fork.

    A tar file is opened for each image (0.02 ms). Of Parquet files, which have no positions of rows, the encoded images
    of the last row groups are kept, up to 128 MB: reading them in order decodes a row group once, and so does any order
    within a row group of up to 64 MB.
    """

    def __init__(self) -> None:
        self._opened: _Opened | None = None

    def __reduce__(self) -> tuple[type[ShardReader], tuple[()]]:
        return ShardReader, ()

    def read(self, image: ShardImage, *, max_bytes: int) -> bytes:
        """Read an encoded image.

        Args:
            image: from an index.
            max_bytes: largest accepted size in bytes.

        Raises:
            ImageError: it cannot be read, is missing or larger.
        """
        opened = self._opened
        if opened is None or opened.process != os.getpid():
            opened = self._opened = _Opened()
        try:
            outcome = opened.read(image, max_bytes)
        except DataError as error:
            raise ImageError(f"{image.name}: {error}") from None
        if isinstance(outcome, ImageError):
            raise outcome
        return outcome


class _Opened:
    """What one process has opened."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._lock = threading.Lock()
        self._stores: dict[str, Store] = {}
        self._pieces: OrderedDict[str, tuple[int, bytes]] = OrderedDict()  # of each remote tar: offset, data
        self._row_groups: OrderedDict[tuple[Shard, int], _RowGroup] = OrderedDict()

    def read(self, image: ShardImage, max_bytes: int) -> bytes | ImageError:
        shard, store = image.shard, self._store(image.shard.path)
        if shard.kind == "parquet":
            with self._lock:
                cell = self._row_group(shard, image.part[0], store).cell(image.part[1])
                self._forget()
            return cell_image(cell, shard, store, image.member, max_bytes)
        size, offset = image.part
        if size > max_bytes:
            return too_large(image.name, size, max_bytes)
        data = self._tar_data(shard.path, store, offset, size)
        if len(data) < size:
            return ImageError(f"{image.name}: the shard was cut off since it was listed")
        return data

    def _tar_data(self, path: str, store: Store, offset: int, size: int) -> bytes:
        """The data of a member. Of an object store, those that follow are read too if the one before was read last."""
        if not is_uri(path):
            return store.read_range(path, offset, size)
        with self._lock:
            begin, piece = self._pieces.get(path, (0, b""))
            if begin <= offset and offset + size <= begin + len(piece):
                self._pieces.move_to_end(path)
                return piece[offset - begin : offset - begin + size]
            is_next = begin <= offset <= begin + len(piece) + _AHEAD_BYTES
            if not is_next:
                self._pieces[path] = (offset + size, b"")
        if not is_next:
            return store.read_range(path, offset, size)
        return self._read_ahead(path, store, offset, size)

    def _read_ahead(self, path: str, store: Store, offset: int, size: int) -> bytes:
        with self._lock:
            begin, piece = self._pieces.get(path, (0, b""))
            if not (begin <= offset and offset + size <= begin + len(piece)):  # else another thread has read it
                begin, piece = offset, store.read_range(path, offset, max(size, _AHEAD_BYTES))
                self._pieces[path] = (begin, piece)
            self._pieces.move_to_end(path)
            while len(self._pieces) > _MOST_PIECES:
                self._pieces.popitem(last=False)
            return piece[offset - begin : offset - begin + size]

    def _store(self, path: str) -> Store:
        bare, query = split_query(path)
        root = "/".join(bare.split("/")[:3]) + query if "://" in bare else ""
        if root not in self._stores:
            self._stores[root] = open_store(path)
        return self._stores[root]

    def _row_group(self, shard: Shard, number: int, store: Store) -> _RowGroup:
        key = (shard, number)
        if key not in self._row_groups:
            self._row_groups[key] = _RowGroup(shard, number, store)
        self._row_groups.move_to_end(key)
        return self._row_groups[key]

    def _forget(self) -> None:
        """Close the row groups that were read longest ago, but the last one."""
        while len(self._row_groups) > 1 and sum(g.size_bytes for g in self._row_groups.values()) > _CACHE_BYTES:
            self._row_groups.popitem(last=False)[1].close()


class _RowGroup:
    """The images around the last one that was read of a row group, in batches."""

    def __init__(self, shard: Shard, number: int, store: Store) -> None:
        self._file, self._number = ParquetShard(shard.path, store, shard.layout), number
        self.size_bytes = 0
        self._restart()

    def cell(self, row: int) -> Cell:
        if row < self._start:
            self._restart()
        while row >= self._start + sum(map(len, self._window)):
            batch = next(self._batches, None)
            if batch is None:
                raise DataError("the row group has fewer rows than when it was listed")
            self._window.append(batch)
            self.size_bytes += _size(batch)
            while len(self._window) > 1 and self.size_bytes > _WINDOW_BYTES:
                self.size_bytes -= _size(self._window[0])
                self._start += len(self._window.popleft())
        position = row - self._start
        for batch in self._window:
            if position < len(batch):
                return batch[position]
            position -= len(batch)
        raise AssertionError("the window ends behind the row")

    def close(self) -> None:
        self._file.close()

    def _restart(self) -> None:
        self._batches = self._file.cells(self._number)
        self._window: deque[list[Cell]] = deque()
        self._start = self.size_bytes = 0


def _size(batch: list[Cell]) -> int:
    return sum(len(cell.data or b"") for cell in batch)
