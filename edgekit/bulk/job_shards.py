"""How a job is cut: one part of the output for each input shard, and for each N images of files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edgekit.bulk.job import Job
from edgekit.errors import DataError, ImageError
from edgekit.hub.web_image import WebImage
from edgekit.image.formats import is_image_name
from edgekit.runtime.image_sources import NamedSource, find_images, names_in_list
from edgekit.shards import Shard, find_shards, open_store
from edgekit.shards.find import is_shard_source
from edgekit.shards.stores import join, local_path, shown, split_query

if TYPE_CHECKING:
    from edgekit.image.source import ImageSource

IMAGE_LIST = "_images.jsonl"
DEFAULT_SHARD_SIZE = 1000  # images: seconds of work, and parts that other programs read well


class ImageRange(NamedTuple):
    """A shard of image files: some lines of the job's list of images.

    Attributes:
        begin: the first byte.
        size_bytes: number of bytes.
        images: number of lines.
    """

    begin: int
    size_bytes: int
    images: int


class JobRecord(NamedTuple):
    """An image of a shard: its name in the results, and its source, or the error in place of it.

    Without a name, the record is the end of the shard. size_bytes: of an image in an input shard.
    """

    path: str | None
    source: ImageSource | ImageError
    size_bytes: int = 0


class JobShard(NamedTuple):
    """What one part of the output is predicted from. Picklable, and small however many images it has.

    Attributes:
        number: of the part, from 0.
        source: an input shard, or the lines of image files in the job's list.
    """

    number: int
    source: Shard | ImageRange

    @property
    def path(self) -> str | None:
        """The path of the input shard, or its URI without options, which may be secrets; None for image files."""
        return None if isinstance(self.source, ImageRange) else self.source.shown_path

    @property
    def images(self) -> int | None:
        """The number of images; None if it is only known after reading the shard."""
        return self.source.images if isinstance(self.source, ImageRange) else None

    @property
    def size_bytes(self) -> int:
        """The size of the input shard, or of the lines of image files."""
        return self.source.size_bytes

    def part_name(self, job: Job) -> str:
        """The name of the part's file: part-00000.parquet."""
        return f"part-{self.number:05}{job.format}"

    def records(self, job: Job) -> Iterator[JobRecord]:
        """Read the images in their order.

        Raises:
            DataError: the shard is broken or cannot be reached.
        """
        if isinstance(self.source, ImageRange):
            yield from _listed_images(self.source, job)
            return
        for record in self.source.read(max_bytes=job.limits.max_bytes):
            image = record.image
            if isinstance(image, ImageError):
                yield JobRecord(record.key, image)
            else:
                yield JobRecord(record.key, _NamedBytes(image, record.key), len(image))

    def description(self) -> dict[str, Any]:
        """The shard in the manifest, by which a changed input is noticed."""
        if isinstance(self.source, ImageRange):
            return self.source._asdict()
        shard = self.source
        return {"path": shard.shown_path, "size_bytes": shard.size_bytes, "modified_ns": shard.modified_ns}


class Plan(NamedTuple):
    """The shards of a job.

    Attributes:
        shards: in the order of their parts.
        image_list: SHA-256 of the list of image files.
    """

    shards: tuple[JobShard, ...]
    image_list: str

    def describe(self) -> dict[str, Any]:
        """The plan in the manifest."""
        return {"image_list": self.image_list, "shards": [shard.description() for shard in self.shards]}


def plan_shards(job: Job, *, shard_size: int, write: Callable[[bytes], object] = lambda line: None) -> Plan:
    """Cut the sources of a job into shards.

    Args:
        job: the job; nothing in its output folder is an input.
        shard_size: number of image files in a shard.
        write: called with each line of the list of image files.

    Raises:
        DataError: a source has no images.
        SpecError: the layout names a column, but no source is a Parquet file.
    """
    cutter = _Cutter(shard_size, write)
    for name in job.sources:
        _add(cutter, name, job, is_list=False)
    for path in job.lists:
        for name in names_in_list(path, stdin=sys.stdin.buffer):
            _add(cutter, name, job, is_list=True)
    plan = cutter.plan()
    job.layout.check_used(shard.source.kind for shard in plan.shards if isinstance(shard.source, Shard))
    return plan


def _add(cutter: _Cutter, name: str, job: Job, *, is_list: bool) -> None:
    """Add what a name stands for. Only in a list may it stand for nothing: one of a million does not end the job."""
    if not is_image_name(name) and is_shard_source(name):
        shards = [shard for shard in find_shards(name, layout=job.layout) if not _is_within(shard.path, job.output)]
        if not shards:
            raise DataError(f"{shown(name)}: has no shards but the parts in {job.shown_output}")
        cutter.add_shards(shards)
        return
    images = find_images([name], skipped=local_path(job.output))
    first = next(images)
    if not is_list and first.name == name and isinstance(first.source, ImageError):
        raise DataError(str(first.source))
    if not is_list and isinstance(first.source, str) and not Path(first.source).exists():
        raise DataError(f"{shown(name)}: no such file or folder")
    cutter.add_images(chain([first], images))


class _Cutter:
    """Collects shards, and the image files of the one that is not full yet."""

    def __init__(self, shard_size: int, write: Callable[[bytes], object]) -> None:
        self._shard_size, self._write = shard_size, write
        self._shards: list[JobShard] = []
        self._digest, self._begin, self._end, self._images = sha256(), 0, 0, 0

    def add_shards(self, shards: Iterable[Shard]) -> None:
        self._close_range()
        self._shards += (JobShard(number, shard) for number, shard in enumerate(shards, len(self._shards)))

    def add_images(self, images: Iterable[NamedSource]) -> None:
        for image in images:
            line = _line(image)
            self._write(line)
            self._digest.update(line)
            self._end += len(line)
            self._images += 1
            if self._images == self._shard_size:
                self._close_range()

    def plan(self) -> Plan:
        self._close_range()
        return Plan(tuple(self._shards), self._digest.hexdigest())

    def _close_range(self) -> None:
        if self._images:
            images = ImageRange(self._begin, self._end - self._begin, self._images)
            self._shards.append(JobShard(len(self._shards), images))
        self._begin, self._images = self._end, 0


def _line(image: NamedSource) -> bytes:
    """The line of an image in the list: {"path": str}, with "error": str or "is_web": true if it is not a file."""
    line: dict[str, Any] = {"path": image.name}
    if isinstance(image.source, ImageError):
        line["error"] = str(image.source)
    elif not isinstance(image.source, str):
        line["is_web"] = True
    return f"{json.dumps(line)}\n".encode()


def _listed_images(images: ImageRange, job: Job) -> Iterator[JobRecord]:
    store = open_store(job.output)
    lines = store.read_range(join(job.output, IMAGE_LIST), images.begin, images.size_bytes)
    for line in lines.splitlines():
        entry = json.loads(line)
        path: str = entry["path"]
        if "error" in entry:
            yield JobRecord(path, ImageError(entry["error"]))
        elif "is_web" in entry:
            yield JobRecord(path, WebImage(path, timeout_s=job.timeout_s))
        else:
            yield JobRecord(path, path)


def _is_within(path: str, folder: str) -> bool:
    local, local_folder = local_path(path), local_path(folder)
    if local is None or local_folder is None:
        return path.startswith(f"{split_query(folder)[0].rstrip('/')}/")
    return local_folder.resolve() in local.resolve().parents


class _NamedBytes(BytesIO):
    """The bytes of an image in a shard, which messages call by the key of its record."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name
