"""Which shards of a job are finished: one document in the output folder, always whole, from which a rerun continues."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from edgekit.bulk.job import Job
from edgekit.errors import DataError, quote
from edgekit.files import lock_file
from edgekit.shards import open_store
from edgekit.shards.stores import join, local_path, shown

_NAME, _LOCK = "_manifest.json", "_lock"
_SCHEMA = 1
_MAX_BYTES = 2**30
# Writing a document of ten thousand shards takes 50 ms: a cluster that finishes one every 50 ms must not wait for it.
_LEAST_PAUSE = 20  # times as long as the last writing took


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


class Manifest:
    """The document of one job in its output folder.

    Attributes:
        document: its content but for the parts: settings, sources, shard_size, and the plan of the shards.
        parts: the results of the finished shards, by number.
    """

    def __init__(self, job: Job, document: Mapping[str, Any], parts: Mapping[int, ShardResult] | None = None) -> None:
        self.document, self.parts = document, dict(parts or {})
        self._store, self._path = open_store(job.output), join(job.output, _NAME)
        self._shown_path = shown(self._path)
        self._written_at = self._took = 0.0
        self._is_written = False

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
            parts = {int(number): ShardResult(int(number), **part) for number, part in document.pop("parts").items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{shown(path)}: is not a manifest of edgekit; choose another output") from None
        return cls(job, document, parts)

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

    def check_plan(self, plan: Mapping[str, Any]) -> None:
        """Check that the sources have the images that they had when the job was started.

        Args:
            plan: the shards now, as `Plan.describe` returns them.

        Raises:
            DataError: they have not.
        """
        if plan["image_list"] == self.document["image_list"] and plan["shards"] == self.document["shards"]:
            return
        before, now = (_counts(shards) for shards in (self.document["shards"], plan["shards"]))
        change = now if before != now else "with other names or sizes"
        raise DataError(f"{self._shown_path}: was started for {before}, now {change}; choose another output")

    def add(self, result: ShardResult) -> None:
        """Record a finished shard. The document is written at once, unless it is large and was written just now."""
        self.parts[result.number] = result
        self._is_written = False
        if time.monotonic() - self._written_at >= _LEAST_PAUSE * self._took:
            self.write()

    def write(self) -> None:
        """Write the document if it has changed.

        Raises:
            DataError: it cannot be written, and so does EdgekitError.
        """
        if self._is_written:
            return
        begin = time.monotonic()
        parts = {str(number): _part(self.parts[number]) for number in sorted(self.parts)}
        self._store.write(self._path, f"{json.dumps({**self.document, 'parts': parts}, indent=1)}\n".encode())
        self._written_at, self._is_written = time.monotonic(), True
        self._took = self._written_at - begin


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


def _part(result: ShardResult) -> dict[str, Any]:
    return {name: value for name, value in result._asdict().items() if name not in ("number", "error")}


def _counts(shards: list[dict[str, Any]]) -> str:
    files = sum(shard.get("images", 0) for shard in shards)
    return f"{files} image files and {sum('path' in shard for shard in shards)} input shards"


def _short(value: object) -> str:
    """A setting for a message; of digests, their first figures."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " + ".join(item[:12] for item in value)
    return quote(value)
