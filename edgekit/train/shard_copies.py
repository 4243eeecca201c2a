"""Local copies of the shards that an epoch reads, where a single image of them costs too much.

Of a Parquet file a whole row group is read for one image, and an object store takes some 20 ms for any request. The
images of an epoch are shuffled within several shards, so that these would be read again and again. Each is read once
instead, front to back, into a local file, before the first step that needs it. A local tar file is read where it is.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
import numpy.typing as npt

from edgekit.dataset import ImageSet
from edgekit.errors import DataError
from edgekit.image.decode_limits import DEFAULT_LIMITS
from edgekit.image.source import ImageSource, StoredImage
from edgekit.shards.parquet_shard import ParquetShard
from edgekit.shards.record import ShardImage
from edgekit.shards.stores import is_uri, open_store

_Value = TypeVar("_Value")
_THREADS = 4  # a request to an object store is mostly waiting
_RANGE_BYTES = 8 * 2**20
_OFFSET = np.dtype("<i8")


@contextmanager
def local_copies(
    images: ImageSet, shards: npt.NDArray[np.int64] | None, *, most: int
) -> Iterator[ShardCopies | NoCopies]:
    """Copies of the shards of an image set, which are deleted at the end of the block.

    Args:
        images: the image set.
        shards: int64 (images,), the number of the shard of each image, from 0; None if they are not in shards.
        most: number of shards that are copied ahead of the steps that need them.
    """
    if shards is None or not any(map(_is_copied, images.sources)):
        yield NoCopies(images)
        return
    with tempfile.TemporaryDirectory(prefix="edgekit-shards-") as folder:
        yield ShardCopies(images, shards, most=most, folder=Path(folder))


class NoCopies:
    """The images of a set whose images are all read where they are; the interface is that of `ShardCopies`."""

    def __init__(self, images: ImageSet) -> None:
        self.images = images

    def before_each(
        self, values: Sequence[_Value], steps: Sequence[Sequence[int]], *, unfinished: int
    ) -> Iterable[_Value]:
        """As in `ShardCopies`."""
        return values


class ShardCopies:
    """Copies of some of the shards of an image set.

    Attributes:
        images: the image set, whose images are read from the copies.
    """

    def __init__(self, images: ImageSet, shards: npt.NDArray[np.int64], *, most: int, folder: Path) -> None:
        ordered = np.argsort(shards, kind="stable")
        self._members = np.split(ordered, np.cumsum(np.bincount(shards))[:-1])
        places = np.empty(len(shards), np.int64)
        for members in self._members:
            places[members] = np.arange(len(members))
        self._sources, self._shards, self._most, self._folder = images.sources, shards, most, folder
        self._copies: dict[int, Future[None]] = {}
        self.images = dataclasses.replace(images, sources=_CopiedImages(images.sources, shards, places, folder))

    def before_each(
        self, values: Sequence[_Value], steps: Sequence[Sequence[int]], *, unfinished: int
    ) -> Iterator[_Value]:
        """Yield the value of each step once the shards that the step reads are copied.

        Later ones are copied in the meantime. A copy is deleted after the last step that reads it.

        Args:
            values: one for each step.
            steps: the indexes of the images of each step.
            unfinished: number of steps that may still read their images when the next value is asked for.

        Raises:
            DataError: a shard cannot be read, or a copy cannot be written.
        """
        needed = [np.unique(self._shards[list(step)]).tolist() for step in steps]
        last_steps = {shard: number for number, shards in enumerate(needed) for shard in shards}
        upcoming = iter(dict.fromkeys(shard for shards in needed for shard in shards))
        with ThreadPoolExecutor(_THREADS) as pool:
            try:
                for number, (value, shards) in enumerate(zip(values, needed, strict=True)):
                    for shard in [shard for shard in self._copies if last_steps[shard] < number - unfinished]:
                        self._copies.pop(shard)
                        _path(self._folder, shard).unlink()
                    missing = sum(shard not in self._copies for shard in shards)
                    for shard in islice(upcoming, max(self._most - len(self._copies), missing)):
                        self._copies[shard] = pool.submit(self._copy, shard)
                    for shard in shards:
                        self._copies[shard].result()
                    yield value
            finally:
                pool.shutdown(cancel_futures=True)

    def _copy(self, shard: int) -> None:
        """Write the images of a shard into a file: their offsets, and the end of the last one; then their bytes."""
        sources = [source for i in self._members[shard] if isinstance(source := self._sources[i], ShardImage)]
        offsets = np.zeros(len(sources) + 1, _OFFSET)
        offsets[0] = offsets.nbytes
        try:
            with _path(self._folder, shard).open("wb") as file:
                file.seek(offsets.nbytes)
                for number, data in enumerate(_encoded_images(sources)):
                    file.write(data)
                    offsets[number + 1] = offsets[number] + len(data)
                file.seek(0)
                file.write(offsets.tobytes())
        except OSError as error:
            free = shutil.disk_usage(self._folder).free // 2**20
            raise DataError(
                f"{self._folder}: a copy of {sources[0].shard.shown_path} cannot be written: {error.strerror or error} "
                f"({free} MB free); set TMPDIR to a larger disk, or lower `shuffle_shards`"
            ) from None


class _CopiedImages(Sequence[ImageSource]):
    """The sources of an image set, each made when it is needed: an epoch of a million images needs no second list."""

    def __init__(
        self,
        sources: Sequence[ImageSource],
        shards: npt.NDArray[np.int64],
        places: npt.NDArray[np.int64],
        folder: Path,
    ) -> None:
        self._sources, self._shards, self._places, self._folder = sources, shards, places, folder

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, index: int) -> ImageSource: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[ImageSource]: ...

    def __getitem__(self, index: int | slice) -> ImageSource | Sequence[ImageSource]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        source = self._sources[index]
        if not isinstance(source, ShardImage):
            return source
        return _CopiedImage(source, _path(self._folder, int(self._shards[index])), int(self._places[index]))


@dataclass(frozen=True, slots=True)
class _CopiedImage(StoredImage):
    """An image in a copy of its shard.

    Attributes:
        original: the image in the shard.
        path: of the copy.
        place: number of the image among those of the copy.
    """

    original: ShardImage
    path: Path
    place: int

    @property
    def name(self) -> str:
        return self.original.name

    @property
    def size_bytes(self) -> int | None:
        return self.original.size_bytes

    def read_bytes(self, *, max_bytes: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.place * _OFFSET.itemsize)
            begin, end = np.frombuffer(file.read(2 * _OFFSET.itemsize), _OFFSET).tolist()
            file.seek(begin)
            data = file.read(end - begin) if end - begin <= max_bytes else b""
        # What cannot be copied (missing, too large) is read from the shard, which explains what is wrong with it.
        return data or self.original.read_bytes(max_bytes=max_bytes)


def _is_copied(source: ImageSource) -> bool:
    return isinstance(source, ShardImage) and (source.row_group is not None or is_uri(source.shard.path))


def _path(folder: Path, shard: int) -> Path:
    return folder / f"{shard}.images"


def _encoded_images(sources: Sequence[ShardImage]) -> Iterator[bytes]:
    """The bytes of images of one shard, in the order of its records; empty for what cannot be read like the others."""
    path, row_group = sources[0].shard.path, sources[0].row_group
    store = open_store(path)
    if row_group is None:
        begin, data = 0, b""
        for size, offset in (source.part for source in sources):
            if size > DEFAULT_LIMITS.max_bytes:
                yield b""
                continue
            if not begin <= offset <= offset + size <= begin + len(data):
                begin, data = offset, store.read_range(path, offset, max(size, _RANGE_BYTES))
            image = data[offset - begin : offset - begin + size]
            yield image if len(image) == size else b""
        return
    shard = ParquetShard(path, store, sources[0].shard.layout)
    try:
        cells = (cell for batch in shard.cells(row_group) for cell in batch)
        row = 0
        for _, wanted in (source.part for source in sources):
            cell = next(islice(cells, wanted - row, None), None)
            row = wanted + 1
            yield (cell and cell.data) or b""
    finally:
        shard.close()
