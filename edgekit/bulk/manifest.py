"""Which shards of a job are finished: documents in the output folder, always whole, from which a rerun continues.

A document of 100,000 shards takes half a second to write, so those that were finished last are in a small one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from edgekit.bulk.job import Job
from edgekit.errors import DataError, quote
from edgekit.files import lock_file
from edgekit.shards import open_store
from edgekit.shards.stores import join, local_path, shown

_NAME, _RECENT, _LOCK = "_manifest.json", "_recent.json", "_lock"
_SCHEMA = 1
_MAX_BYTES = 2**30
DOCUMENTS = (_NAME, _RECENT, _LOCK)
_MOST_RECENT = 256  # shards in the small document: 40 kB
# Writing it takes 1 ms here and 50 ms in an object store, where a cluster that finishes more shards must not wait for
# each: one that is finished so soon after another is recorded with the next.
_QUICK_S = 0.01


class ShardResult(NamedTuple):
    """What became of a shard. Picklable.

    Attributes:
        number: of the shard, and of its part.
        rows: number of images.
        failed: number of those that could not be predicted.
        size_bytes: of the part.
        sha256: of the part.
        error: why the shard cannot be read; there is no part then. Empty otherwise.
    """

    number: int
    rows: int = 0
    failed: int = 0
    size_bytes: int = 0
    sha256: str = ""
    error: str = ""


_NEEDED = {"settings", "shard_size", "image_list"}
_STORED = ("rows", "failed", "size_bytes", "sha256")


class Manifest:
    """The document of one job in its output folder.

    Attributes:
        document: its content but for the parts: settings, sources, shard_size, and the plan of the shards.
        parts: the results of the finished shards, by number. What is removed is forgotten at the next `write`.
    """

    def __init__(
        self,
        job: Job,
        document: Mapping[str, Any],
        parts: Mapping[int, ShardResult] | None = None,
        *,
        recent: Iterable[int] = (),
    ) -> None:
        self.document, self.parts, self._recent = document, dict(parts or {}), list(recent)
        self._store, self._path = open_store(job.output), join(job.output, _NAME)
        self._shown_path = shown(self._path)
        self._recent_path = join(job.output, _RECENT)
        self._is_written = False
        self._recorded_at = self._took = 0.0

    @classmethod
    def read(cls, job: Job) -> Manifest | None:
        """The manifest in the job's output folder, or None if there is none.

        Raises:
            DataError: it was not written by this version of edgekit or an earlier one.
        """
        store, path = open_store(job.output), join(job.output, _NAME)
        if store.size_bytes(path) is None:
            return None
        try:
            document = json.loads(store.read(path, max_bytes=_MAX_BYTES))
            if document["schema"] != _SCHEMA:
                raise DataError(
                    f"{shown(path)}: schema {quote(document['schema'])}, written by a later edgekit; update it"
                )
            parts, recent = _results(document.pop("parts")), {}
            recent_path = join(job.output, _RECENT)
            if store.size_bytes(recent_path) is not None:
                recent = _results(json.loads(store.read(recent_path, max_bytes=_MAX_BYTES)))
            shards = len(document["shards"])
            if not document.keys() >= _NEEDED or not all(0 <= number < shards for number in (*parts, *recent)):
                raise ValueError("incomplete, or with a part of no shard")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{shown(path)}: is not a manifest of edgekit; choose another output") from None
        return cls(job, document, parts | recent, recent=recent)

    def check_settings(self, settings: Mapping[str, Any]) -> None:
        """Check that the job is the one of the manifest.

        Args:
            settings: of the job, as `Job.settings` returns them.

        Raises:
            DataError: they differ; the message has the first three differences.
        """
        before = self.document["settings"]
        differing = [name for name in settings if settings[name] != before.get(name)]
        if differing:
            changes = (f"`{name}` {_short(before.get(name))}, now {_short(settings[name])}" for name in differing[:3])
            raise DataError(f"{self._shown_path}: is of another job: {'; '.join(changes)}; choose another output")

    def update_plan(self, plan: Mapping[str, Any]) -> None:
        """Check that the sources are those for which the job was started; unfinished input shards may have changed.

        Args:
            plan: the shards now, as `Plan.describe` returns them.

        Raises:
            DataError: the sources are others, or a finished input shard has another size or time.
        """
        before, now = self.document["shards"], plan["shards"]
        if plan["image_list"] != self.document["image_list"] or list(map(_place, before)) != list(map(_place, now)):
            counts = _counts(before), _counts(now)
            change = counts[1] if counts[0] != counts[1] else "with other names"
            raise DataError(f"{self._shown_path}: was started for {counts[0]}, now {change}; choose another output")
        changed = [now[number]["path"] for number in sorted(self.parts) if before[number] != now[number]]
        if changed:
            raise DataError(
                f"{self._shown_path}: {len(changed)} input shards were written anew after they were predicted, such as "
                f"{quote(changed[0])}; choose another output"
            )
        if before != now:
            self.document, self._is_written = {**self.document, "shards": now}, False
            self.write()

    def add(self, result: ShardResult) -> None:
        """Record a finished shard: at once, or where writing takes long, with the next one after so long a pause.

        Raises:
            DataError: it cannot be written, and so does EdgekitError.
        """
        self.parts[result.number] = result
        self._is_written = False
        self._recent.append(result.number)
        if len(self._recent) > _MOST_RECENT:
            self.write()
        elif self._took < _QUICK_S or time.monotonic() - self._recorded_at >= self._took:
            begin = time.monotonic()
            self._store.write(self._recent_path, _document(self._parts(self._recent)))
            self._recorded_at = time.monotonic()
            self._took = self._recorded_at - begin

    def write(self) -> None:
        """Write the whole document if it has changed.

        Raises:
            DataError: it cannot be written, and so does EdgekitError.
        """
        if self._is_written:
            return
        self._store.write(self._path, _document({**self.document, "parts": self._parts(sorted(self.parts))}))
        self._store.remove(self._recent_path)
        self._recent, self._is_written = [], True

    def _parts(self, numbers: Iterable[int]) -> dict[str, dict[str, Any]]:
        results = {str(number): self.parts[number]._asdict() for number in numbers}
        return {number: {k: v for k, v in part.items() if k in _STORED} for number, part in results.items()}


def new_document(job: Job, *, shard_size: int, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a new manifest.

    Args:
        job: the job.
        shard_size: number of image files in a shard.
        plan: the shards, as `Plan.describe` returns them.
    """
    return {
        "schema": _SCHEMA,
        "settings": job.settings(),
        "models": [model.name for model in job.models],
        "sources": job.shown_sources,
        "shard_size": shard_size,
        **plan,
    }


@contextmanager
def locked(output: str) -> Iterator[None]:
    """Keep other processes of this machine out of a local output folder, which is created if it is missing.

    Args:
        output: the folder. Object stores have no locks: nothing is done there.

    Raises:
        DataError: another process works on it, or it cannot be created.
    """
    folder = local_path(output)
    if folder is None:
        yield
        return
    if folder.is_file():
        raise DataError(f"{output}: is a file; the output is a folder of part files, so choose another name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{output}: the folder of the output cannot be created: {reason}") from None
    try:
        if not lock_file(descriptor):
            raise DataError(f"{output}: another edgekit is writing to it; wait for it or choose another output")
        yield
    finally:
        os.close(descriptor)


def _results(parts: dict[str, dict[str, Any]]) -> dict[int, ShardResult]:
    return {int(number): ShardResult(int(number), **part) for number, part in parts.items()}


def _document(content: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(content, indent=1)}\n".encode()


def _place(shard: dict[str, Any]) -> object:
    """What a shard of the plan is, apart from the state of its file."""
    return shard.get("path", shard)


def _counts(shards: list[dict[str, Any]]) -> str:
    files = sum(shard.get("images", 0) for shard in shards)
    return f"{files} image files and {sum('path' in shard for shard in shards)} input shards"


def _short(value: object) -> str:
    """A setting for a message; of digests, their first figures."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " + ".join(item[:12] for item in value)
    return quote(value)
