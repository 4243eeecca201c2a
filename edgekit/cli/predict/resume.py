"""The JSON Lines file from which an interrupted job is resumed."""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

from edgekit.errors import DataError, EdgekitError
from edgekit.files import lock_file, write_whole
from edgekit.runtime.image_sources import NamedSource

_LINE_START = b'{"schema": 1, "path": "'  # of every record; a truncated last line must begin like one


class ResumeFile(AbstractContextManager["ResumeFile"]):
    """Reads the records of the file at `path`, which is created if it is missing, and appends further ones.

    A truncated last line is removed.

    Args:
        path: the file.
        settings: what the predictions depend on besides the images; stored in every line.

    Attributes:
        total: number of records in the file.
        failed: number of records that are errors.

    Raises:
        DataError: the file contains anything but records with these settings.
    """

    def __init__(self, path: str, settings: str) -> None:
        self._path, self._settings = path, settings
        self.total = self.failed = 0
        self._unmatched: Counter[str] = Counter()
        if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
            raise DataError(f"{path}: not a regular file; choose a file for the predictions")
        try:
            self._file = open(path, "a+b")  # noqa: SIM115
            if not lock_file(self._file.fileno()):
                raise DataError(f"{path}: another edgekit is writing to it; wait for it or choose another file")
            self._file.seek(0)
            self._file.truncate(self._read())
        except (OSError, ValueError) as error:
            if isinstance(error, EdgekitError):
                self._file.close()
                raise
            raise DataError(f"{path}: cannot be opened for the predictions: {error}") from None

    def is_missing(self, image: NamedSource) -> bool:
        """Return whether the file lacks a record of the image; each record counts for one image of its name."""
        if not self._unmatched[image.name]:
            return True
        self._unmatched[image.name] -= 1
        return False

    def write(self, record: dict[str, Any]) -> None:
        """Append a record; it is in the file when this returns, and nothing of it if this raises EdgekitError."""
        line = json.dumps({**record, "settings": self._settings}, ensure_ascii=True, allow_nan=False)
        size = os.fstat(self._file.fileno()).st_size
        try:
            write_whole(self._file.fileno(), f"{line}\n".encode())
        except OSError as error:
            self._file.truncate(size)
            raise EdgekitError(f"{self._path}: cannot be written: {error.strerror or error}") from None
        self._count(record)

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self) -> int:
        """Read all complete lines; return their total size in bytes."""
        size = 0
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                if not (line.startswith(_LINE_START) or _LINE_START.startswith(line)):
                    raise self._not_a_record(number)
                break
            size += len(line)
            self._read_line(line, number)
        return size

    def _read_line(self, line: bytes, number: int) -> None:
        try:
            record = json.loads(line)
            name, settings = record["path"], record["settings"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self._not_a_record(number) from None
        if settings != self._settings:
            raise DataError(
                f"{self._path}: line {number} was predicted by another model or with other options; choose another file"
            )
        self._unmatched[str(name)] += 1
        self._count(record)

    def _count(self, record: dict[str, Any]) -> None:
        self.total += 1
        self.failed += "error" in record

    def _not_a_record(self, number: int) -> DataError:
        return DataError(
            f"{self._path}: line {number} was not written by `edgekit predict --resume`; choose another file"
        )
