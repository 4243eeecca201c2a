"""Shards: tar and Parquet files with many images each."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, TypeAlias, cast

from edgekit.errors import DataError, ImageError, SpecError, must_be, quote
from edgekit.image.decode_limits import DEFAULT_LIMITS
from edgekit.shards.layout import ShardLayout
from edgekit.shards.parquet_shard import Cell, ParquetShard
from edgekit.shards.record import Record, ShardIndex, too_large
from edgekit.shards.stores import Store, is_uri, join, open_store, parent, shown, split_query
from edgekit.shards.tar_members import TarFile
from edgekit.shards.tar_shard import TarRecord, tar_records
from edgekit.shards.unpack_limits import CountedFile

Kind: TypeAlias = Literal["tar", "parquet"]
_KINDS: dict[str, Kind] = {".tar": "tar", ".tar.gz": "tar", ".tgz": "tar", ".parquet": "parquet", ".pq": "parquet"}
_COMPRESSED = (".tar.gz", ".tgz")
_BUFFER_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A tar or Parquet file with images. It is only a description, which can be sent to other processes.

    Attributes:
        path: local path or URI of an object store.
        kind: "tar" or "parquet".
        size_bytes: of the file.
        layout: which columns are read, and names of classes.
        modified_ns: when the file was written, in nanoseconds since 1970; None if its store does not tell.

    Example:
        >>> from edgekit.shards import find_shards
        >>> shard = find_shards("shards/val-{000..001}.tar")[0]
        >>> record = next(shard.read())
        >>> record.key, record.label, len(record.image) > 0
        ('0000', 'bolt', True)
    """

    path: str
    kind: Kind
    size_bytes: int
    layout: ShardLayout = field(default_factory=ShardLayout)
    modified_ns: int | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The file name without its extension."""
        file_name = split_query(self.path)[0].replace("\\", "/").rpartition("/")[2]
        return file_name.removesuffix(suffix_of(self.path) or "")

    @property
    def shown_path(self) -> str:
        """The path for messages and names: without the options and secrets that a URI may have."""
        return shown(self.path)

    @property
    def is_compressed(self) -> bool:
        """Whether it can be read from beginning to end only."""
        return suffix_of(self.path) in _COMPRESSED

    def read(self, *, max_bytes: int = DEFAULT_LIMITS.max_bytes) -> Iterator[Record]:
        """Read all records in order, in memory that does not depend on their number.

        Args:
            max_bytes: largest accepted size of an encoded image; a larger one is an ImageError in its record.

        Raises:
            DataError: the shard cannot be read or is broken.
            SpecError: `max_bytes` is not an integer from 1.
        """
        if not isinstance(max_bytes, int) or isinstance(max_bytes, bool) or max_bytes < 1:
            raise SpecError(must_be("max_bytes", "an integer from 1", max_bytes))
        return self._read_tar(max_bytes) if self.kind == "tar" else self._read_parquet(max_bytes)

    def index(self) -> ShardIndex:
        """Read keys, labels and positions of all records; of a tar file only the headers and labels are read.

        Raises:
            DataError: the shard cannot be read or is broken, or is a compressed tar file, which has no positions.
        """
        if self.is_compressed:
            raise DataError(
                f"{self.shown_path}: single images cannot be read from a compressed tar file; decompress it (gunzip)"
            )
        return self._index_tar() if self.kind == "tar" else self._index_parquet()

    def _read_tar(self, max_bytes: int) -> Iterator[Record]:
        with self._tar() as tar:
            records = tar_records(tar, self.shown_path, compressed=self.is_compressed, max_image_bytes=max_bytes)
            for record in records:
                yield Record(record.key, self._tar_image(record, tar, max_bytes), record.label)

    def _tar_image(self, record: TarRecord, tar: TarFile, max_bytes: int) -> bytes | ImageError:
        if record.image.size > max_bytes:
            return too_large(f"{self.shown_path}/{record.image.name}", record.image.size, max_bytes)
        return tar.read(record.image) if record.data is None else record.data

    def _index_tar(self) -> ShardIndex:
        keys, names, labels, parts = [], [], [], []
        with self._tar() as tar:
            for record in tar_records(tar, self.shown_path):
                keys.append(record.key)
                names.append(record.image.name)
                labels.append(record.label)
                parts.append((record.image.size, record.image.offset))
        return ShardIndex(shard=self, keys=keys, names=names, labels=labels, parts=parts)

    @contextmanager
    def _tar(self) -> Iterator[TarFile]:
        with closing(open_store(self.path).open(self.path)) as file:
            if self.is_compressed:
                with gzip.open(file) as unpacked:
                    counted = CountedFile(cast(BinaryIO, unpacked), self.shown_path, packed_bytes=self.size_bytes)
                    yield TarFile(cast(BinaryIO, counted), self.shown_path, size_bytes=None)
                    counted.finish()  # the checksum is verified only at the very end
            else:
                buffered = io.BufferedReader(cast(io.RawIOBase, file), _BUFFER_BYTES) if is_uri(self.path) else file
                yield TarFile(buffered, self.shown_path, size_bytes=self.size_bytes)

    def _read_parquet(self, max_bytes: int) -> Iterator[Record]:
        store = open_store(self.path)
        with closing(ParquetShard(self.path, store, self.layout)) as file:
            row = 0
            for group in range(len(file.row_groups)):
                for key, label, cell in file.records(group):
                    key = str(row) if key is None else key
                    yield Record(key, cell_image(cell, self, store, key, max_bytes), label)
                    row += 1

    def _index_parquet(self) -> ShardIndex:
        keys: list[str] = []
        labels, parts = [], []
        with closing(ParquetShard(self.path, open_store(self.path), self.layout)) as file:
            for group in range(len(file.row_groups)):
                for row, (key, label) in enumerate(file.keys_and_labels(group)):
                    keys.append(str(len(keys)) if key is None else key)
                    labels.append(label)
                    parts.append((group, row))
            class_names = file.columns.class_names
        return ShardIndex(shard=self, keys=keys, names=keys, labels=labels, parts=parts, class_names=class_names)


def suffix_of(path: str) -> str | None:
    """The extension by which a file is a shard: ".tar.gz" of train.tar.gz; None if it is none."""
    name = split_query(path)[0].lower()
    return next((suffix for suffix in sorted(_KINDS, key=len, reverse=True) if name.endswith(suffix)), None)


def kind_of(path: str) -> Kind:
    """The kind of a shard by its extension. Raises DataError for a file that is none."""
    suffix = suffix_of(path)
    if suffix is None:
        raise DataError(f"{shown(path)}: not a shard; its name must end with {', '.join(_KINDS)}")
    return _KINDS[suffix]


def cell_image(cell: Cell, shard: Shard, store: Store, key: str, max_bytes: int) -> bytes | ImageError:
    """The image of a row, from the cell or the file that it names; an ImageError if there is none.

    Args:
        cell: of the row.
        shard: a Parquet file; paths are relative to its folder.
        store: in which it lies.
        key: of the row, for messages.
        max_bytes: largest accepted size.
    """
    name = f"{shard.shown_path}/{key}"
    if cell.data is not None:
        if len(cell.data) > max_bytes:
            return too_large(name, len(cell.data), max_bytes)
        return cell.data
    if not cell.path:
        return ImageError(f"{name}: the row has no image")
    if is_uri(cell.path) or (is_uri(shard.path) and ".." in cell.path.split("/")):
        return ImageError(f"{name}: the path of an image must be relative to the file (got {quote(cell.path)})")
    try:
        return store.read(join(parent(shard.path), cell.path), max_bytes=max_bytes)
    except DataError as error:
        return ImageError(str(error))
